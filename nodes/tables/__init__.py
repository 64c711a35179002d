"""Reading tables: what the cells are, what the columns mean by their names, and how tables refer to each other."""
