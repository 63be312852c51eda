"""Does a privileged signal help the critic? Asked of demonstrations, before anything is trained on them."""
