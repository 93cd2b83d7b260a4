"""What the environment decides."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read once, when the program starts."""

    model_config = SettingsConfigDict(env_prefix="SHOP_")

    database: str = "sqlite:///:memory:"
    cache: str = "redis://localhost:6379/0"
    host: str = "0.0.0.0"
    port: int = 8000


settings = Settings()
