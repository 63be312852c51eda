"""Policy backends of the server. Heavy imports happen only when a backend is built."""
