"""Recording episodes as LeRobotDataset v3: durable when an episode ends, verifiable, repairable."""
