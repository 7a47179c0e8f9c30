"""Where the pictures of the exams are kept."""
