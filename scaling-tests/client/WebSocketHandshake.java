package client;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;

/// The request that asks for a WebSocket, and the answer to it.
final class WebSocketHandshake {
    private static final String KEY_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    private static final int MAX_HEAD_BYTES = 64 << 10;
    private static final int MAX_BODY_BYTES = 2 << 10;

    private WebSocketHandshake() {}

    /// @return the worker's id, from the headers of the 101
    static String make(Target target, String path, Map<String, String> headers, DataInputStream in, OutputStream out)
            throws IOException {
        var nonce = new byte[16];
        ThreadLocalRandom.current().nextBytes(nonce);
        var key = Base64.getEncoder().encodeToString(nonce);
        var port = target.base().getPort();
        var request = new StringBuilder("GET " + target.webSocketPath(path) + " HTTP/1.1\r\nHost: "
                + target.base().getHost() + (port < 0 ? "" : ":" + port)
                + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
                + key + "\r\n");
        var all = new LinkedHashMap<>(target.webSocketHeaders());
        all.putAll(headers);
        all.forEach(
                (name, value) -> request.append(name).append(": ").append(value).append("\r\n"));
        out.write(request.append("\r\n").toString().getBytes(StandardCharsets.UTF_8));
        out.flush();

        var statusLine = line(in, MAX_HEAD_BYTES).split(" ", 3);
        if (statusLine.length < 2 || !statusLine[0].startsWith("HTTP/1.") || !statusLine[1].matches("\\d{3}")) {
            throw new WebSocketException(0, "the answer is no HTTP: " + Answer.of(String.join(" ", statusLine)));
        }
        var status = Integer.parseInt(statusLine[1]);
        var answer = headers(in);
        if (status != 101) {
            throw new WebSocketException(status, refusal(status, answer, in));
        }
        if (!accept(key).equals(answer.get("sec-websocket-accept"))) {
            throw new WebSocketException(status, "a 101 without the right Sec-WebSocket-Accept");
        }
        return Answer.worker(answer);
    }

    private static Map<String, String> headers(DataInputStream in) throws IOException {
        var headers = new LinkedHashMap<String, String>();
        var left = MAX_HEAD_BYTES;
        for (var line = line(in, left); !line.isEmpty(); line = line(in, left)) {
            left -= line.length();
            var colon = line.indexOf(':');
            if (colon > 0) {
                headers.put(
                        line.substring(0, colon).toLowerCase(Locale.ROOT),
                        line.substring(colon + 1).strip());
            }
        }
        return headers;
    }

    private static String line(DataInputStream in, int limit) throws IOException {
        var line = new StringBuilder();
        for (var c = in.read(); c != '\n'; c = in.read()) {
            if (c < 0) {
                throw new EOFException("connection closed without an answer");
            }
            if (line.length() >= limit) {
                throw new IOException("the answer's head is longer than " + MAX_HEAD_BYTES + " bytes");
            }
            line.append((char) c);
        }
        return line.toString().stripTrailing();
    }

    private static String refusal(int status, Map<String, String> headers, DataInputStream in) throws IOException {
        if (headers.containsKey("location")) {
            return status + ", sent on to " + headers.get("location");
        }
        var length = headers.getOrDefault("content-length", "0");
        var bytes = length.matches("\\d{1,9}") ? Math.min(Integer.parseInt(length), MAX_BODY_BYTES) : 0;
        var body = new String(in.readNBytes(bytes), StandardCharsets.UTF_8);
        return body.isBlank() ? Integer.toString(status) : status + " " + Answer.of(body);
    }

    private static String accept(String key) {
        try {
            var digest =
                    MessageDigest.getInstance("SHA-1").digest((key + KEY_SUFFIX).getBytes(StandardCharsets.US_ASCII));
            return Base64.getEncoder().encodeToString(digest);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
