"""Where is this exam? Facts of all topics folded into one picture per exam. No I/O."""
