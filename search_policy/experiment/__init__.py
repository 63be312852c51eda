"""Compare ways to learn a search: a grid of trainings and evaluations, its statistics, and what they carry."""
