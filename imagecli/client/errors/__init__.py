"""From whatever went wrong in an exchange to the error that a user sees.

`reader.ErrorReader` is the face of it, imported when something has gone wrong. It reads the response's body into an
`ErrorDocument` (document), whatever the envelope, with the fields that the server refuses or misses (fields), and finds
its kind and hint in one table (causes, hints; languages has the words of others than English). A server that was not
reached is in connection, how long to wait in waits.
What only one kind of server writes is in its dialect's `error_words`.
"""
