package dev.llmworker.serving.port;

import java.nio.charset.StandardCharsets;
import java.util.Random;

/// Requests that may be anything, mostly so little wrong that they are read for a while.
final class RandomRequests {
    private static final String[] FIELDS = {
        "prompt",
        "messages",
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "seed",
        "stop",
        "stream",
        "n",
        "details",
        "raw",
        "ignore_eos",
        "min_tokens",
        "logprobs",
        "top_logprobs",
        "presence_penalty",
        "frequency_penalty",
        "repetition_penalty",
        "logit_bias",
        "stream_options",
        "response_format",
        "tools",
        "model",
        "max_completion_tokens",
        "id",
        "cancel",
        "role",
        "content",
        "type",
        "text",
        "chat_template",
        "echo",
        "chat_template_kwargs",
        "reasoning_effort",
        "stop_token_ids",
        "guided_json",
        "user",
    };
    private static final String[] SCALARS = {
        "null",
        "true",
        "false",
        "0",
        "1",
        "-1",
        "3",
        "0.5",
        "1.0",
        "1e400",
        "-1e-400",
        "1e5",
        "2147483648",
        "9223372036854775808",
        "123456789012345678901234567890",
        "\"\"",
        "\"x\"",
        "\"user\"",
        "\"text\"",
        "\"mock\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\ud83d\\ude00\"",
        "\"<|im_end|>\"",
        "\"é\"",
        "{}",
        "[]",
        "[[]]",
        "{\"1\":1}",
    };

    private final Random random;

    RandomRequests(Random random) {
        this.random = random;
    }

    private String value(int depth) {
        if (depth == 0 || random.nextInt(3) > 0) {
            return SCALARS[random.nextInt(SCALARS.length)];
        }
        if (random.nextBoolean()) {
            return "[" + value(depth - 1) + "," + value(depth - 1) + "]";
        }
        return object(random.nextInt(4), depth - 1);
    }

    private String object(int fields, int depth) {
        var json = new StringBuilder("{\"prompt\":\"x\",\"max_tokens\":2");
        if (random.nextInt(3) == 0) {
            json = new StringBuilder("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]");
        }
        for (var i = 0; i < fields; i++) {
            json.append(",\"")
                    .append(FIELDS[random.nextInt(FIELDS.length)])
                    .append("\":")
                    .append(value(depth));
        }
        return json.append('}').toString();
    }

    private byte[] damaged(byte[] bytes) {
        var damaged = bytes.clone();
        for (var changes = random.nextInt(4); changes > 0; changes--) {
            damaged[random.nextInt(damaged.length)] = (byte) random.nextInt(256);
        }
        return damaged;
    }

    /// A request as JSON, sound or damaged.
    byte[] json() {
        var bytes = object(random.nextInt(6), 3).getBytes(StandardCharsets.UTF_8);
        return random.nextBoolean() ? bytes : damaged(bytes);
    }

    /// A request of HTTP, sound or damaged, or noise.
    byte[] http() {
        if (random.nextInt(10) == 0) {
            var noise = new byte[random.nextInt(200)];
            random.nextBytes(noise);
            return noise;
        }
        var body = "{\"prompt\":\"x\",\"max_tokens\":1}";
        var heads = new String[] {
            "POST /generate HTTP/1.1\r\nHost: w\r\nContent-Length: " + body.length() + "\r\n\r\n" + body,
            "POST /generate HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n1c\r\n" + body + "\r\n0\r\n\r\n",
            "GET /stats?a=b HTTP/1.1\r\nHost: w\r\nX-Request-Id: 1\r\nCookie: c\r\n\r\n",
            "GET /ws HTTP/1.1\r\nHost: w\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            "OPTIONS /v1/models HTTP/1.1\r\nHost: w\r\nOrigin: http://x\r\nExpect: 100-continue\r\n\r\n",
        };
        return damaged(heads[random.nextInt(heads.length)].getBytes(StandardCharsets.ISO_8859_1));
    }
}
