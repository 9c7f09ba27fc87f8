"""An agent inside an app of your own: page, WebSocket and telephone webhooks under one path.

python examples/embed_in_fastapi.py     # and open http://127.0.0.1:8000/voice/
"""

import uvicorn
from custom_llm import agent
from fastapi import FastAPI

from bargein import create_app

voice = create_app(agent)
app = FastAPI(lifespan=voice.lifespan)  # or, in a lifespan of your own: async with voice.lifespan(app): yield
app.mount("/voice", voice)


@app.get("/")
async def index() -> dict[str, str]:
    """Your own routes stand beside it."""
    return {"talk": "/voice/"}


if __name__ == "__main__":
    uvicorn.run(app)
