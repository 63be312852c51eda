"""pi0 (arXiv 2410.24164) as LeRobot implements it, shrunk until one CPU can train it."""
