"""One module per subcommand of `baton`. Together with `handoff/cli.py` the composition root: may import every room."""
