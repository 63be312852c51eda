"""The learned search skill: choose where to look next, move there, and centre what was found."""
