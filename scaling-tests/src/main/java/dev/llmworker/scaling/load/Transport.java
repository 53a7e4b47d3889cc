package dev.llmworker.scaling.load;

/// How answers arrive: whole, as server-sent events, or as frames of a WebSocket.
enum Transport {
    HTTP("HTTP"),
    SSE("SSE"),
    WEBSOCKET("WebSocket");

    final String text;

    Transport(String text) {
        this.text = text;
    }
}
