import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Queue;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.ToDoubleFunction;

/// What WebSockets that stall, or idle, cost the streams beside them: many short windows with and without them by
/// turns, at one server that is warm, so that what drifts (Java's compiler, other processes) falls on both alike. JDK
/// only.
///
/// `java Neighbours.java HOST:PORT stalled|idle COUNT CLIENTS PAIRS WINDOW_MILLIS WARM_SECONDS`: COUNT neighbours
/// that ask for a long answer and do not read it, or that ask nothing; CLIENTS that ask for 50 tokens again and again.
/// Prints the medians of the pairs' ratios, with the ranks that hold the median in 95 of 100 cases.
class Neighbours {
    private static final int TOKENS = 50;
    // More than the buffers of two kernels and of the server take.
    private static final int STALLED_TOKENS = 400_000;
    private static final int STALLED_RECEIVE_BYTES = 4096;
    private static final int SETTLE_MILLIS = 500;
    // Until the buffers are full, and the writers wait.
    private static final int STALL_MILLIS = 2500;

    private final InetSocketAddress server;
    private final boolean stalled;
    private final int count;
    private volatile Window window = new Window();
    private volatile boolean over;

    private Neighbours(InetSocketAddress server, boolean stalled, int count) {
        this.server = server;
        this.stalled = stalled;
        this.count = count;
    }

    public static void main(String[] arguments) throws Exception {
        var address = arguments[0].split(":");
        var neighbours = new Neighbours(
                new InetSocketAddress(address[0], Integer.parseInt(address[1])),
                arguments[1].equals("stalled"),
                Integer.parseInt(arguments[2]));
        int clients = Integer.parseInt(arguments[3]);
        int pairs = Integer.parseInt(arguments[4]);
        int windowMillis = Integer.parseInt(arguments[5]);
        int warmSeconds = Integer.parseInt(arguments[6]);
        System.out.printf("%s, %s %d beside %d clients%n", arguments[0], arguments[1], neighbours.count, clients);
        neighbours.run(clients, pairs, windowMillis, warmSeconds);
    }

    /// Answers that ended in a window, and the times to their first tokens.
    private static final class Window {
        private final Queue<Long> firstNanos = new ConcurrentLinkedQueue<>();
        private final long beganNanos = System.nanoTime();
        private double seconds;

        void end() {
            seconds = (System.nanoTime() - beganNanos) / 1e9;
        }

        double framesPerSecond() {
            return firstNanos.size() * (TOKENS + 1) / seconds;
        }

        double firstMillis(double quantile) {
            var sorted = firstNanos.stream().mapToLong(Long::longValue).sorted().toArray();
            return sorted[(int) Math.min(sorted.length - 1L, (long) (quantile * sorted.length))] / 1e6;
        }
    }

    private record Pair(Window without, Window with) {}

    private void run(int clients, int pairs, int windowMillis, int warmSeconds) throws Exception {
        try (var threads = Executors.newCachedThreadPool()) {
            for (var client = 0; client < clients; client++) {
                threads.submit(this::ask);
            }
            TimeUnit.SECONDS.sleep(warmSeconds);
            var measured = new ArrayList<Pair>();
            for (var pair = 0; pair < pairs; pair++) {
                // Who is first changes, too.
                if (pair % 2 == 0) {
                    var without = measure(windowMillis);
                    measured.add(new Pair(without, measureWith(windowMillis)));
                } else {
                    var with = measureWith(windowMillis);
                    measured.add(new Pair(measure(windowMillis), with));
                }
            }
            over = true;
            report("frames/s", measured, Window::framesPerSecond);
            report("first token p50, ms", measured, each -> each.firstMillis(0.5));
            report("first token p99, ms", measured, each -> each.firstMillis(0.99));
        }
    }

    private Window measure(int millis) throws InterruptedException {
        Thread.sleep(SETTLE_MILLIS);
        var measured = new Window();
        window = measured;
        Thread.sleep(millis);
        window = new Window();
        measured.end();
        return measured;
    }

    private Window measureWith(int millis) throws Exception {
        var neighbours = open();
        try {
            Thread.sleep(stalled ? STALL_MILLIS : 0);
            return measure(millis);
        } finally {
            for (var neighbour : neighbours) {
                neighbour.close();
            }
        }
    }

    private List<Socket> open() throws Exception {
        try (var threads = Executors.newFixedThreadPool(16)) {
            Callable<Socket> one = () -> {
                var socket = connect(stalled ? STALLED_RECEIVE_BYTES : 0);
                // Closed by a reset, so that no port of this machine stays taken.
                socket.setSoLinger(true, 0);
                if (stalled) {
                    send(socket, STALLED_TOKENS);
                }
                return socket;
            };
            var sockets = new ArrayList<Socket>();
            for (var opened : threads.invokeAll(Collections.nCopies(count, one))) {
                sockets.add(opened.get());
            }
            return sockets;
        }
    }

    private Void ask() throws IOException {
        try (var socket = connect(0)) {
            var in = new DataInputStream(new BufferedInputStream(socket.getInputStream(), 1 << 16));
            while (!over) {
                var beganNanos = System.nanoTime();
                send(socket, TOKENS);
                skipFrame(in);
                var first = System.nanoTime() - beganNanos;
                for (var frame = 0; frame < TOKENS; frame++) {
                    skipFrame(in);
                }
                window.firstNanos.add(first);
            }
            return null;
        } catch (IOException | RuntimeException e) {
            System.err.println("a client failed: " + e);
            System.exit(1);
            throw e;
        }
    }

    private Socket connect(int receiveBytes) throws IOException {
        var socket = new Socket();
        if (receiveBytes > 0) {
            socket.setReceiveBufferSize(receiveBytes);
        }
        socket.setTcpNoDelay(true);
        socket.connect(server);
        socket.getOutputStream()
                .write(("GET /ws HTTP/1.1\r\nHost: " + server.getHostString() + "\r\nUpgrade: websocket\r\n"
                                + "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                + "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
                        .getBytes(StandardCharsets.US_ASCII));
        var head = new StringBuilder();
        while (head.indexOf("\r\n\r\n") < 0) {
            head.append((char) socket.getInputStream().read());
        }
        if (!head.toString().startsWith("HTTP/1.1 101")) {
            throw new IOException("no WebSocket: " + head);
        }
        return socket;
    }

    /// A text frame with a mask of zeros.
    private static void send(Socket socket, int tokens) throws IOException {
        var json = ("{\"prompt\":\"Hello\",\"max_tokens\":" + tokens + "}").getBytes(StandardCharsets.US_ASCII);
        var frame = new byte[6 + json.length];
        frame[0] = (byte) 0x81;
        frame[1] = (byte) (0x80 | json.length);
        System.arraycopy(json, 0, frame, 6, json.length);
        socket.getOutputStream().write(frame);
    }

    private static void skipFrame(DataInputStream in) throws IOException {
        if (in.readByte() != (byte) 0x81) {
            throw new IOException("not a text frame");
        }
        int length = in.readByte();
        in.skipNBytes(length == 126 ? in.readUnsignedShort() : length);
    }

    private static void report(String name, List<Pair> pairs, ToDoubleFunction<Window> figure) {
        var without = sorted(pairs, pair -> figure.applyAsDouble(pair.without));
        var with = sorted(pairs, pair -> figure.applyAsDouble(pair.with));
        var ratios = sorted(pairs, pair -> figure.applyAsDouble(pair.with) / figure.applyAsDouble(pair.without));
        var rank = lowerRank(ratios.length);
        System.out.printf(
                Locale.ROOT,
                "%-20s without %.3f, with %.3f, ratio %.3f, 95 %%: %.3f to %.3f, all: %.3f to %.3f (%d pairs)%n",
                name,
                median(without),
                median(with),
                median(ratios),
                ratios[rank],
                ratios[ratios.length - 1 - rank],
                ratios[0],
                ratios[ratios.length - 1],
                ratios.length);
    }

    /// The lower end of the sign test's interval for a median, counted from 0.
    private static int lowerRank(int size) {
        var below = 0.0;
        var term = Math.pow(0.5, size);
        var rank = 0;
        while (below + term <= 0.025) {
            below += term;
            term *= (size - rank) / (rank + 1.0);
            rank++;
        }
        return Math.max(0, rank - 1);
    }

    private static double[] sorted(List<Pair> pairs, ToDoubleFunction<Pair> figure) {
        return pairs.stream().mapToDouble(figure).sorted().toArray();
    }

    private static double median(double[] sorted) {
        return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
    }
}
