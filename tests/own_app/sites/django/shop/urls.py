"""One asynchronous view."""

from django.http import HttpRequest, JsonResponse  # type: ignore[import-untyped]
from django.urls import path  # type: ignore[import-untyped]


async def _items(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"items": [1, 2, 3]})


urlpatterns = [path("items/", _items)]
