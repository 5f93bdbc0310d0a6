"""Ways to tell what is seen and done: on a console, as JSON, and to the person at the gate."""
