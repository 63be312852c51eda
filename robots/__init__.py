"""What a robot is: the values that cross every boundary, the robot contract, safety limits, and adapters."""
