package dev.llmworker.soak;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.Function;

/// A request by which one client tries to stop the worker for all others.
///
/// @param request its bytes, by a random number generator
/// @param allowed statuses of answers; the connection may also be closed without one
record Attack(String name, Function<Random, byte[]> request, Set<Integer> allowed) {
    private static final int MEBIBYTE = 1 << 20;
    private static final int MANY = 100_000;
    private static final Set<Integer> WRONG = Set.of(400);
    /// The request is served, or there is no room for it.
    private static final Set<Integer> SERVED = Set.of(200, 503);
    private static final Set<Integer> SERVED_OR_WRONG = Set.of(200, 400, 503);
    private static final Set<Integer> WRONG_OR_BUSY = Set.of(400, 413, 503);
    private static final Set<Integer> HEAD = Set.of(200, 400, 401, 403, 404, 405, 414, 417, 426, 431);

    /// Each is sent whole, and its answer is read.
    static final List<Attack> ALL = List.of(
            json("nested arrays that are ignored", SERVED_OR_WRONG, random -> ignored(nested(random, '[', ']'))),
            json(
                    "nested objects that are ignored",
                    SERVED_OR_WRONG,
                    random -> ignored("{\"a\":".repeat(60) + "1" + "}".repeat(60))),
            json("arrays without end", WRONG_OR_BUSY, _ -> "[".repeat(MEBIBYTE - 1)),
            json("many fields", SERVED_OR_WRONG, _ -> fields(MANY / 2)),
            json(
                    "a field twice",
                    WRONG_OR_BUSY,
                    random -> "{\"prompt\":\"" + "x".repeat(random.nextInt(MANY)) + "\",\"prompt\":\"y\"}"),
            json("a long number", WRONG_OR_BUSY, _ -> "{\"prompt\":\"x\",\"max_tokens\":" + "9".repeat(MANY) + "}"),
            json("a huge exponent", WRONG_OR_BUSY, _ -> "{\"prompt\":\"x\",\"temperature\":1e999999999}"),
            json("many stop strings", WRONG_OR_BUSY, _ -> with("\"stop\":[" + repeated("\"a\"", MANY) + "]")),
            json("many biases", WRONG_OR_BUSY, _ -> with("\"logit_bias\":{" + biases(MANY / 2) + "}")),
            json("many stop tokens", WRONG_OR_BUSY, _ -> with("\"stop_token_ids\":[" + repeated("7", MANY) + "]")),
            json("blanks in JSON", SERVED_OR_WRONG, _ -> " ".repeat(MEBIBYTE - 100) + Prompts.generate("x", 1, "")),
            json("a prompt of combining marks", SERVED_OR_WRONG, random -> prompt("\u0300\u0323", random)),
            json("a prompt of blanks", SERVED_OR_WRONG, random -> prompt("  ", random)),
            json("a prompt of one letter", SERVED_OR_WRONG, random -> prompt("xx", random)),
            json("a prompt of control tokens", SERVED_OR_WRONG, random -> prompt("<|im_end|>", random)),
            json("a prompt of half tokens", SERVED_OR_WRONG, random -> prompt("<|im_", random)),
            json("a prompt of line ends", SERVED_OR_WRONG, random -> prompt("\\n \\t", random)),
            completion("a huge n", WRONG, ",\"n\":2147483647,\"stream\":true"),
            completion("a negative n", WRONG, ",\"n\":-2147483648"),
            completion("an n beyond all numbers", WRONG, ",\"n\":9223372036854775807"),
            completion("an n with an exponent", WRONG, ",\"n\":1e300,\"stream\":true"),
            post("a huge n of a chat", "/v1/chat/completions", WRONG, _ -> Prompts.chat("x", 1, ",\"n\":1000000")),
            post(
                    "a huge n of many prompts",
                    "/v1/completions",
                    WRONG_OR_BUSY,
                    _ -> "{\"n\":65536,\"prompt\":[" + repeated("\"a\"", 65_537) + "]}"),
            completion("a huge best_of", WRONG, ",\"best_of\":2147483647"),
            completion("a huge max_tokens", WRONG, ",\"max_tokens\":9223372036854775808"),
            completion("huge logprobs", WRONG, ",\"logprobs\":2147483647"),
            post(
                    "many prompts",
                    "/v1/completions",
                    WRONG_OR_BUSY,
                    _ -> "{\"prompt\":[" + repeated("\"a\"", MANY) + "]}"),
            post(
                    "many messages",
                    "/v1/chat/completions",
                    SERVED_OR_WRONG,
                    _ -> "{\"messages\":[" + repeated("{\"role\":\"user\",\"content\":\"a\"}", 20_000)
                            + "],\"max_tokens\":1}"),
            head("an absolute target", SERVED, _ -> "GET http://127.0.0.1:9/stats?a=%7b%7benv:API_KEYS%7d%7d HTTP/1.1"),
            head("a target of another host", Set.of(200, 400, 404), _ -> "GET //127.0.0.1:9/stats HTTP/1.1"),
            head("the target of a tunnel", Set.of(400, 404, 405, 501), _ -> "CONNECT 127.0.0.1:9 HTTP/1.1"),
            head("a long target", Set.of(414), _ -> "GET /" + "a".repeat(20_000) + " HTTP/1.1"),
            head("a target of dots", HEAD, _ -> "GET " + "/..".repeat(4_000) + "/ping HTTP/1.1"),
            head("many parameters", Set.of(200, 400), _ -> "GET /stats?" + "a&".repeat(7_500) + " HTTP/1.1"),
            header(
                    "a run of blanks",
                    HEAD,
                    _ -> "Upgrade: websocket\r\nConnection: a" + " ".repeat(15_000) + "b, c\r\n"),
            header("a run of commas", HEAD, _ -> "Upgrade: websocket\r\nConnection: " + ", ".repeat(7_500) + "\r\n"),
            header("a long header", Set.of(431), random -> "A: " + "b".repeat(17_000 + random.nextInt(MANY)) + "\r\n"),
            header("many headers", Set.of(431), _ -> "a: b\r\n".repeat(20_000)),
            header("many keys", Set.of(400, 401), _ -> "X-API-Key: b\r\n".repeat(1_000)),
            header("headers that steer", Set.of(200, 400), _ -> "CamelHttpUri: http://127.0.0.1:9/\r\nTo: a@b\r\n"),
            header(
                    "an origin that is nobody's",
                    Set.of(200, 400, 403),
                    _ -> "Origin: http://" + "a.".repeat(7_000) + "\r\n"),
            chunked("chunks of one byte", Set.of(200, 400, 503), _ -> "1\r\n \r\n".repeat(MANY) + "0\r\n\r\n"),
            chunked("a chunk of a huge size", Set.of(400, 413), _ -> "7fffffffffffffff\r\n" + "x".repeat(1_000)),
            chunked("a chunk size that is no number", WRONG, _ -> "-1\r\nx\r\n0\r\n\r\n"),
            chunked("a chunk size without end", Set.of(400, 431), _ -> "0".repeat(MANY)),
            chunked("a chunk without its end", WRONG, _ -> "1\r\nxyz\r\n0\r\n\r\n"),
            chunked(
                    "a long trailer",
                    Set.of(200, 400, 431),
                    _ -> "2\r\n{}\r\n0\r\n" + "a: b\r\n".repeat(MANY) + "\r\n"),
            new Attack("pipelined requests", _ -> Wire.get("/metrics").clone(), SERVED).times(300),
            new Attack("TLS", Attack::clientHello, WRONG),
            new Attack("noise", Attack::noise, HEAD),
            new Attack("line ends", _ -> "\r\n".repeat(MANY).getBytes(StandardCharsets.US_ASCII), HEAD),
            new Attack("zeros", _ -> new byte[MANY], HEAD),
            new Attack("the preface of HTTP/2", Attack::preface, Set.of(400)));

    private static Attack post(String name, String path, Set<Integer> allowed, Function<Random, String> body) {
        return new Attack(name, random -> Wire.post(path, body.apply(random)), allowed);
    }

    private static Attack json(String name, Set<Integer> allowed, Function<Random, String> body) {
        return post(name, "/generate", allowed, body);
    }

    private static Attack completion(String name, Set<Integer> allowed, String more) {
        return post(name, "/v1/completions", allowed, _ -> "{\"prompt\":[\"a\",\"b\"]" + more + "}");
    }

    private static Attack head(String name, Set<Integer> allowed, Function<Random, String> line) {
        return new Attack(
                name,
                random -> (line.apply(random) + "\r\nHost: worker\r\nX-API-Key: " + Wire.KEY + "\r\n\r\n")
                        .getBytes(StandardCharsets.UTF_8),
                allowed);
    }

    private static Attack header(String name, Set<Integer> allowed, Function<Random, String> headers) {
        return head(
                name,
                allowed,
                random -> "GET /stats HTTP/1.1\r\n" + headers.apply(random).stripTrailing());
    }

    private static Attack chunked(String name, Set<Integer> allowed, Function<Random, String> chunks) {
        return new Attack(
                name,
                random -> ("POST /generate HTTP/1.1\r\nHost: worker\r\nX-API-Key: " + Wire.KEY
                                + "\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks.apply(random))
                        .getBytes(StandardCharsets.UTF_8),
                allowed);
    }

    private Attack times(int count) {
        return new Attack(
                name,
                random -> {
                    var one = request.apply(random);
                    var all = Arrays.copyOf(one, one.length * count);
                    for (var i = 1; i < count; i++) {
                        System.arraycopy(one, 0, all, i * one.length, one.length);
                    }
                    return all;
                },
                allowed);
    }

    private static String with(String fields) {
        return Prompts.generate("x", 1, "," + fields);
    }

    private static String ignored(String value) {
        var count = (MEBIBYTE - 1_000) / (value.length() + 1);
        return with("\"zzz\":[" + repeated(value, count) + "]");
    }

    private static String nested(Random random, char open, char close) {
        var depth = 1 + random.nextInt(60);
        return String.valueOf(open).repeat(depth) + String.valueOf(close).repeat(depth);
    }

    private static String repeated(String value, int count) {
        return String.join(",", Collections.nCopies(count, value));
    }

    private static String fields(int count) {
        var fields = new StringBuilder();
        for (var i = 0; i < count; i++) {
            fields.append(",\"f").append(i).append("\":").append(i);
        }
        return Prompts.generate("x", 1, fields.toString());
    }

    private static String biases(int count) {
        var biases = new StringBuilder("\"0\":1");
        for (var i = 1; i < count; i++) {
            biases.append(",\"").append(i).append("\":1");
        }
        return biases.toString();
    }

    private static String prompt(String piece, Random random) {
        var bytes = piece.getBytes(StandardCharsets.UTF_8).length;
        return Prompts.generate(piece.repeat(1 + random.nextInt((MEBIBYTE - 200) / bytes)), 1, "");
    }

    private static byte[] clientHello(Random random) {
        var hello = noise(random);
        // A handshake record of TLS 1.0 that is longer than what comes.
        var head = new byte[] {0x16, 3, 1, 0x3f, (byte) 0xff, 1, 0, 0x3f, (byte) 0xfb, 3, 3};
        System.arraycopy(head, 0, hello, 0, Math.min(head.length, hello.length));
        return Arrays.copyOf(hello, hello.length + head.length);
    }

    private static byte[] noise(Random random) {
        var bytes = new byte[1 + random.nextInt(40_000)];
        random.nextBytes(bytes);
        return bytes;
    }

    private static byte[] preface(Random random) {
        return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0".getBytes(StandardCharsets.ISO_8859_1);
    }
}
