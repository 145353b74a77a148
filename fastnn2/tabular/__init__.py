"""Raw tables as the numbers, bins and categories that networks for tables see.

``encoder`` learns how the columns of a table are encoded, and makes ``encoded_rows``. ``table_columns`` reads columns
of pandas, polars and NumPy, ``categorical_features`` says which of them are categories. ``scaling`` has the numbers
beside the bins, ``bins`` the edges of bins and the look-up of values, ``categories`` the rows of categories.
May import estimators, engine and below.
"""
