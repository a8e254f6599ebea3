"""Where a panel's rows come from. The only place in the library that knows a file format or a database."""
