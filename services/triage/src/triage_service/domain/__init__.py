"""Rules that say which study is read sooner, and why. No I/O."""
