import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.LockSupport;

/// What the worker adds to a stream of OpenAI's API: time to the first token and between tokens, and throughput, direct
/// and through the worker by turns. JDK only.
///
/// `java AddedCost.java mock PORT MILLIS` is an engine that sends a token each so many milliseconds;
/// `java AddedCost.java DIRECT THROUGH STREAMS TOKENS ROUNDS` measures, both as `host:port`.
class AddedCost {
    private static final String MODEL = System.getProperty("model", "mock");
    private static final String PROMPT = "Tell me about load balancing";

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("mock")) {
            serve(Integer.parseInt(arguments[1]), Double.parseDouble(arguments[2]));
            return;
        }
        int streams = Integer.parseInt(arguments[2]);
        int tokens = Integer.parseInt(arguments[3]);
        int rounds = Integer.parseInt(arguments[4]);
        var results = List.of(new ArrayList<Round>(), new ArrayList<Round>());
        // The first rounds warm both up, and do not count.
        for (var round = -1; round < rounds; round++) {
            for (var way = 0; way < 2; way++) {
                // Who is first changes, too.
                var which = (way + round + 1) % 2;
                var measured = round(arguments[which], streams, tokens);
                if (round >= 0) {
                    results.get(which).add(measured);
                }
            }
        }
        var direct = report("direct", results.get(0));
        var through = report("through the worker", results.get(1));
        System.out.printf(
                Locale.ROOT,
                "added: first token %+.2f ms, between tokens p50 %+.3f ms, p99 %+.2f ms, throughput %+.1f %%%n",
                through.first - direct.first,
                through.gap - direct.gap,
                through.slowGap - direct.slowGap,
                100 * (through.perSecond / direct.perSecond - 1));
    }

    /// Milliseconds, and tokens a second.
    record Round(double first, double gap, double slowGap, double perSecond) {}

    private static Round report(String name, List<Round> rounds) {
        var median = new Round(
                median(rounds.stream().map(Round::first).toList()),
                median(rounds.stream().map(Round::gap).toList()),
                median(rounds.stream().map(Round::slowGap).toList()),
                median(rounds.stream().map(Round::perSecond).toList()));
        System.out.printf(
                Locale.ROOT,
                "%-19s first token %.2f ms, between tokens p50 %.3f ms, p99 %.2f ms, %.0f tokens/s (medians of %d)%n",
                name,
                median.first,
                median.gap,
                median.slowGap,
                median.perSecond,
                rounds.size());
        return median;
    }

    private static double median(List<Double> values) {
        return quantile(values, 0.5);
    }

    private static double quantile(List<Double> values, double share) {
        var sorted = new ArrayList<>(values);
        Collections.sort(sorted);
        return sorted.get((int) (share * (sorted.size() - 1)));
    }

    private static Round round(String address, int streams, int tokens) throws Exception {
        var work = Collections.nCopies(streams, (Callable<double[]>) () -> stream(address, tokens));
        var first = new ArrayList<Double>();
        var gaps = new ArrayList<Double>();
        var began = System.nanoTime();
        long seen = 0;
        try (var threads = Executors.newFixedThreadPool(streams)) {
            for (var answer : threads.invokeAll(work)) {
                var times = answer.get();
                first.add(times[0]);
                seen += times.length;
                for (var i = 1; i < times.length; i++) {
                    gaps.add(times[i] - times[i - 1]);
                }
            }
        }
        var seconds = (System.nanoTime() - began) / 1e9;
        return new Round(quantile(first, 0.5), quantile(gaps, 0.5), quantile(gaps, 0.99), seen / seconds);
    }

    /// Milliseconds from the request to each piece of text.
    private static double[] stream(String address, int tokens) throws Exception {
        var colon = address.indexOf(':');
        try (var socket = new Socket(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1)))) {
            socket.setTcpNoDelay(true);
            var body = "{\"model\":\"" + MODEL + "\",\"stream\":true,\"max_tokens\":" + tokens
                    + ",\"ignore_eos\":true,\"temperature\":0,\"cache_prompt\":false,\"messages\":[{\"role\":\"user\",\"content\":\""
                    + PROMPT + "\"}]}";
            var reader = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
            var times = new double[tokens];
            var count = 0;
            var began = System.nanoTime();
            send(
                    socket.getOutputStream(),
                    "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
                            + body.length() + "\r\n\r\n" + body);
            for (var line = reader.readLine(); line != null; line = reader.readLine()) {
                if (line.contains("\"content\":\"") && !line.contains("\"content\":\"\"") && count < tokens) {
                    times[count++] = (System.nanoTime() - began) / 1e6;
                } else if (line.equals("data: [DONE]")) {
                    return Arrays.copyOf(times, count);
                } else if (line.contains("\"error\"")) {
                    throw new IllegalStateException(line);
                }
            }
            throw new IllegalStateException("the stream ended after " + count + " tokens");
        }
    }

    private static void send(OutputStream out, String text) throws Exception {
        out.write(text.getBytes(StandardCharsets.UTF_8));
    }

    /// An engine without a model. Its tokens come at fixed times, whatever the machine does.
    private static void serve(int port, double millis) throws Exception {
        try (var server = new ServerSocket(port, 1024, InetAddress.getLoopbackAddress())) {
            while (true) {
                var socket = server.accept();
                socket.setTcpNoDelay(true);
                Thread.ofVirtual().start(() -> {
                    try (socket) {
                        answer(socket, (long) (millis * 1e6));
                    } catch (Exception _) {
                        // The client left.
                    }
                });
            }
        }
    }

    private static void answer(Socket socket, long tokenNanos) throws Exception {
        var reader = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.ISO_8859_1));
        var out = socket.getOutputStream();
        for (var line = reader.readLine(); line != null; line = reader.readLine()) {
            var path = line.split(" ")[1];
            var length = 0;
            for (var header = reader.readLine(); !header.isEmpty(); header = reader.readLine()) {
                if (header.toLowerCase(Locale.ROOT).startsWith("content-length:")) {
                    length = Integer.parseInt(header.substring(15).strip());
                }
            }
            var body = new char[length];
            for (var read = 0; read < length; ) {
                read += reader.read(body, read, length - read);
            }
            if (length == 0) {
                var json = path.equals("/health") ? "{}" : "{\"data\":[{\"id\":\"mock\"}]}";
                send(out, "HTTP/1.1 200 OK\r\nContent-Length: " + json.length() + "\r\n\r\n" + json);
                continue;
            }
            stream(out, Integer.parseInt(new String(body).replaceAll(".*\"max_tokens\":(\\d+).*", "$1")), tokenNanos);
        }
    }

    private static void stream(OutputStream out, int tokens, long tokenNanos) throws Exception {
        send(out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        var began = System.nanoTime();
        for (var i = 1; i <= tokens; i++) {
            for (var left = began + i * tokenNanos - System.nanoTime(); left > 0; ) {
                LockSupport.parkNanos(left);
                left = began + i * tokenNanos - System.nanoTime();
            }
            chunk(out, "{\"index\":0,\"delta\":{\"content\":\" token\"},\"finish_reason\":null}");
        }
        chunk(out, "{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}");
        var done = "data: [DONE]\n\n";
        send(out, Integer.toHexString(done.length()) + "\r\n" + done + "\r\n0\r\n\r\n");
    }

    private static void chunk(OutputStream out, String choice) throws Exception {
        var event = "data: {\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
                + "\"model\":\"mock\",\"choices\":[" + choice + "]}\n\n";
        send(out, Integer.toHexString(event.length()) + "\r\n" + event + "\r\n");
    }
}
