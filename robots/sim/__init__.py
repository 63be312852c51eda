"""The simulated world: scene, tasks, rendering, differential inverse kinematics, in MuJoCo."""
