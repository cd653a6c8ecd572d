"""Errors that were pickled in the form before this one, by a release that is named in no test, can still be loaded."""

from __future__ import annotations

import base64
import pickle
from typing import Any

import openai
from openai.lib.background import BackgroundRateLimitError

BACKGROUND = (
    "gAJjb3BlbmFpLmxpYi5iYWNrZ3JvdW5kLl90cmF2ZWwKcmVidWlsZApxAF1xAShYHQAAAG9wZW5haS5saWIuYmFja2dyb3VuZC5fZXJyb3JzcQ"
    "JYGAAAAEJhY2tncm91bmRSYXRlTGltaXRFcnJvcnEDhnEEaAJYFwAAAEJhY2tncm91bmRSZXNwb25zZUVycm9ycQWGcQZYBgAAAG9wZW5haXEH"
    "WA4AAABSYXRlTGltaXRFcnJvcnEIhnEJaAdYDgAAAEFQSVN0YXR1c0Vycm9ycQqGcQtoB1gIAAAAQVBJRXJyb3JxDIZxDWgHWAsAAABPcGVuQU"
    "lFcnJvcnEOhnEPZX1xEChYBwAAAG1lc3NhZ2VxEVhJAAAAQmFja2dyb3VuZCByZXNwb25zZSByZXNwXzEgZmFpbGVkIChyYXRlX2xpbWl0X2V4"
    "Y2VlZGVkKTogU2FpZCB0aGUgc2VydmVyLnESWAsAAABfX3JlcXVlc3RfX3ETTlgEAAAAYm9keXEUfXEVKFgEAAAAY29kZXEWWBMAAAByYXRlX2"
    "xpbWl0X2V4Y2VlZGVkcRdoEVgQAAAAU2FpZCB0aGUgc2VydmVyLnEYdWgWaBdYBQAAAHBhcmFtcRlOWAQAAAB0eXBlcRpOWAwAAABfX3Jlc3Bv"
    "bnNlX19xG05YCgAAAHJlcXVlc3RfaWRxHE5YBgAAAHN0YXR1c3EdWAYAAABmYWlsZWRxHlgGAAAAcmVhc29ucR9OWAsAAAByZXNwb25zZV9pZH"
    "EgWAYAAAByZXNwXzFxIVgJAAAAcmV0cnlhYmxlcSKIWAsAAAByZXRyeV9hZnRlcnEjTlgPAAAAc2VxdWVuY2VfbnVtYmVycSROWBQAAABfYmFj"
    "a2dyb3VuZF9yZXNwb25zZXElfXEmKFgCAAAAaWRxJ2ghWAYAAABvYmplY3RxKFgIAAAAcmVzcG9uc2VxKWgdaB5YBQAAAGVycm9ycSp9cSsoaB"
    "ZoF2gRaBh1WAYAAABvdXRwdXRxLF1xLX1xLihoGmgRaCdYBQAAAG1zZ18xcS9YBAAAAHJvbGVxMFgJAAAAYXNzaXN0YW50cTFoHVgKAAAAaW5j"
    "b21wbGV0ZXEyWAcAAABjb250ZW50cTNdcTR9cTUoaBpYCwAAAG91dHB1dF90ZXh0cTZYBAAAAHRleHRxN1gEAAAAT25jZXE4WAsAAABhbm5vdG"
    "F0aW9uc3E5XXE6dWF1YXVYCAAAAF9fYXJnc19fcTtdcTxoEmF1hnE9UnE+Lg=="
)
STOCK = (
    "gAJjb3BlbmFpLmxpYi5iYWNrZ3JvdW5kLl90cmF2ZWwKcmVidWlsZApxAF1xAShYBgAAAG9wZW5haXECWA4AAABSYXRlTGltaXRFcnJvcnEDhn"
    "EEaAJYDgAAAEFQSVN0YXR1c0Vycm9ycQWGcQZoAlgIAAAAQVBJRXJyb3JxB4ZxCGgCWAsAAABPcGVuQUlFcnJvcnEJhnEKZX1xCyhYCwAAAF9f"
    "cmVxdWVzdF9fcQx9cQ0oWAYAAABtZXRob2RxDlgEAAAAUE9TVHEPWAMAAAB1cmxxEFgdAAAAaHR0cHM6Ly9hcGkudGVzdC92MS9yZXNwb25zZX"
    "NxEXVYBwAAAG1lc3NhZ2VxElgDAAAATm8ucRNYBAAAAGJvZHlxFH1xFVgEAAAAY29kZXEWWAEAAABjcRdzaBZoF1gFAAAAcGFyYW1xGE5YBAAA"
    "AHR5cGVxGU5YDAAAAF9fcmVzcG9uc2VfX3EafXEbKFgLAAAAc3RhdHVzX2NvZGVxHE2tAVgHAAAAaGVhZGVyc3EdfXEeWAsAAAByZXRyeS1hZn"
    "RlcnEfWAEAAAA3cSBzdWgcTa0BWAoAAAByZXF1ZXN0X2lkcSFOWAkAAABfX25vdGVzX19xIl1xI1gGAAAAYSBub3RlcSRhWAgAAABfX2FyZ3Nf"
    "X3ElXXEmaBNhWAkAAABfX2NhdXNlX19xJ2gAXXEoKGgCWBIAAABBUElDb25uZWN0aW9uRXJyb3JxKYZxKmgCaAeGcStoAmgJhnEsZX1xLShoDH"
    "1xLihoDmgPaBBYHQAAAGh0dHBzOi8vYXBpLnRlc3QvdjEvcmVzcG9uc2VzcS91aBJYEQAAAENvbm5lY3Rpb24gZXJyb3IucTBoFE5oFk5oGE5o"
    "GU5oJV1xMWgwYXWGcTKGcTN1hnE0UnE1Lg=="
)


def test_pickle_of_a_background_error_is_loaded() -> None:
    error: Any = pickle.loads(base64.b64decode(BACKGROUND))
    assert [type(error)] == [BackgroundRateLimitError]
    assert (error.code, error.response_id, error.status, error.retryable) == (
        *("rate_limit_exceeded", "resp_1", "failed", True),
    )
    assert (error.output_text, error.background_response.id, error.known) == ("Once", "resp_1", False)
    assert (error.response.status_code, error.response.request) == (200, error.request)
    assert pickle.loads(pickle.dumps(error)).args == error.args == (error.message,)


def test_pickle_of_a_stock_error_is_loaded() -> None:
    error: Any = pickle.loads(base64.b64decode(STOCK))
    assert [type(error), type(error.__cause__)] == [openai.RateLimitError, openai.APIConnectionError]
    assert (error.args, error.code, error.__notes__) == (("No.",), "c", ["a note"])
    assert (error.response.status_code, error.response.headers["retry-after"]) == (429, "7")
    assert error.response.request is error.request and str(error.request.url) == "https://api.test/v1/responses"
