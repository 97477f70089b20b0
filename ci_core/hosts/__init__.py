"""Where the repository lives: change requests, comments, issues, statuses, deployment records."""
