"""`llm hugging_face`: Hugging Face's router, which speaks OpenAI's protocol."""

from __future__ import annotations

from .openai import OpenAI


class HuggingFace(OpenAI):
    """Any chat model that one of its inference providers serves; an endpoint of one's own by `base_url`."""

    vendor_name = "Hugging Face"
    default_model = "mistralai/Mixtral-8x7B-Instruct-v0.1"
    default_url = "https://router.huggingface.co/v1"
    url_variable = "HUGGING_FACE_BASE_URL"
