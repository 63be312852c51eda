"""What an actor remembers of the running episode's earlier decisions: nothing, a window, a GRU or attention."""
