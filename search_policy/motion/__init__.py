"""How the camera moves: poses, viewpoints, what to keep clear of, ways around it, bounded twists."""
