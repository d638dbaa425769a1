"""Messages of a trained network, read as pair forces and self forces in physical units."""
