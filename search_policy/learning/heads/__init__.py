"""What an actor's features become: a choice among candidate views, or a chunk of twists."""
