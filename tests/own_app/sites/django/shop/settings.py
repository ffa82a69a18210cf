"""Settings as a Django project has them in production: no debugging, and only its own host."""

SECRET_KEY = "only for tests"
DEBUG = False
ALLOWED_HOSTS = ["shop.example"]
ROOT_URLCONF = "shop.urls"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
INSTALLED_APPS: list[str] = []
USE_TZ = True
