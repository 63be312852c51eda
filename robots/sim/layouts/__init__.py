"""How layouts are drawn: cues first, then the target's place given the cues, then everything else around it."""
