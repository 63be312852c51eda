"""Search episodes: the world they run in, rollouts, demonstrations, their data set, paired evaluation."""
