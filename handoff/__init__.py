"""Who controls the robot, and when: detection, trigger, authority, gate, recording and the command line."""
