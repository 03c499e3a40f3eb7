"""What people see of a run: log, speed, health, figures."""
