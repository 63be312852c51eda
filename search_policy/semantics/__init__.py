"""What stands where: a small network names what a wrist image shows, and a map keeps it by place."""
