package dev.llmworker.scaling;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// One request through the fake balancer, or one WebSocket.
final class BalancedConnection {
    private static final String NO_WORKERS = "{\"error\":\"no workers available\"}";

    private final FakeBalancer balancer;
    private final BalancerRules rules;
    private final Socket client;
    private final long bornNanos = System.nanoTime();
    private volatile @Nullable Socket worker;
    private volatile boolean isSocket;
    private volatile long usedNanos = bornNanos;
    private volatile boolean forgotten;

    BalancedConnection(FakeBalancer balancer, Socket client) {
        this.balancer = balancer;
        this.rules = balancer.rules;
        this.client = client;
    }

    void serve() {
        try (client) {
            var in = new BufferedInputStream(client.getInputStream());
            var head = head(in);
            var upgrade = head.toLowerCase(Locale.ROOT).contains("\nupgrade: websocket");
            // What an idle WebSocket is not, the request that opened it was.
            balancer.begin();
            var counted = true;
            try {
                if (upgrade && !rules.countsSockets) {
                    balancer.end();
                    counted = false;
                }
                pass(head, in, upgrade);
            } finally {
                if (counted) {
                    balancer.end();
                }
            }
        } catch (IOException _) {
            // One side left, which ends it for the other.
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }

    private void pass(String head, InputStream in, boolean upgrade) throws IOException, InterruptedException {
        var body = in.readNBytes(Integer.parseInt(field(head, "content-length", "0")));
        var first = balancer.answerBefore();
        if (!first.isEmpty()) {
            answer(first, "");
            return;
        }
        if (upgrade && rules.refusesUpgrades) {
            answer("403 Forbidden", "{\"error\":\"no upgrades here\"}");
            return;
        }
        var wanted = field(head, "x-runpod-worker-id", "");
        var upstream = balancer.upstream(wanted.isEmpty() ? null : wanted);
        if (upstream == null) {
            answer("400 Bad Request", NO_WORKERS);
            return;
        }
        if (upgrade) {
            upgradeTime();
        }
        upstream.connections().add(this);
        try (var there = new Socket(
                InetAddress.getLoopbackAddress(), upstream.worker().port.port())) {
            there.setTcpNoDelay(true);
            worker = there;
            there.getOutputStream().write(forwarded(head, upgrade).getBytes(StandardCharsets.ISO_8859_1));
            there.getOutputStream().write(body);
            var back = new BufferedInputStream(there.getInputStream());
            var answered = forwarded(head(back), upgrade)
                    .replaceFirst("\r\n", rules.workerIds ? "\r\nX-Worker-Id: " + upstream.id() + "\r\n" : "\r\n");
            client.getOutputStream().write(answered.getBytes(StandardCharsets.ISO_8859_1));
            usedNanos = System.nanoTime();
            isSocket = upgrade;
            if (upgrade) {
                Thread.ofVirtual().name("up").start(() -> copy(in, there));
            }
            copy(back, client);
        } finally {
            upstream.connections().remove(this);
        }
    }

    private void upgradeTime() throws InterruptedException {
        if (rules.upgradesSerialise) {
            balancer.upgrading.lockInterruptibly();
        }
        try {
            Thread.sleep(rules.upgradeMillis);
        } finally {
            if (rules.upgradesSerialise) {
                balancer.upgrading.unlock();
            }
        }
    }

    private void copy(InputStream from, Socket to) {
        var buffer = new byte[1 << 14];
        try {
            var out = to.getOutputStream();
            for (var count = from.read(buffer); count >= 0; count = from.read(buffer)) {
                if (!forgotten) {
                    usedNanos = System.nanoTime();
                    write(out, buffer, count);
                }
            }
        } catch (IOException _) {
            // Closed below, as at an end.
        }
        if (!forgotten) {
            close();
        }
    }

    private static void write(OutputStream out, byte[] buffer, int count) throws IOException {
        out.write(buffer, 0, count);
        out.flush();
    }

    void cutWhereDue(long nowNanos) {
        var idleMillis = (nowNanos - usedNanos) / 1_000_000;
        var ageMillis = (nowNanos - bornNanos) / 1_000_000;
        var due = (rules.idleCutMillis > 0 && idleMillis >= rules.idleCutMillis)
                || (rules.lifeCutMillis > 0 && ageMillis >= rules.lifeCutMillis);
        if (!isSocket || !due || forgotten) {
            return;
        }
        switch (rules.cut) {
            case FIN -> close();
            case RESET -> {
                try {
                    client.setSoLinger(true, 0);
                } catch (IOException _) {
                    // It is closed already.
                }
                close();
            }
            case EMPTY_CLOSE -> {
                isSocket = false;
                try {
                    write(client.getOutputStream(), new byte[] {(byte) 0x88, 0}, 2);
                } catch (IOException _) {
                    // It is closed already.
                }
            }
            case FORGET -> forgotten = true;
        }
    }

    void close() {
        try (client;
                var there = worker) {
            isSocket = false;
        } catch (IOException _) {
            // Closed is closed.
        }
    }

    private void answer(String status, String json) throws IOException {
        var text = "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
                + json.length() + "\r\n\r\n" + json;
        client.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
    }

    private static String head(InputStream in) throws IOException {
        var head = new StringBuilder();
        while (head.length() < 4 || !head.substring(head.length() - 4).equals("\r\n\r\n")) {
            var c = in.read();
            if (c < 0) {
                throw new EOFException();
            }
            head.append((char) c);
        }
        return head.toString();
    }

    /// The head as it goes on: one connection for one request, and no id but the balancer's.
    private static String forwarded(String head, boolean upgrade) {
        var without = head.replaceAll("(?i)\r\nx-worker-id:[^\r]*", "");
        return upgrade
                ? without
                : without.replaceAll("(?i)\r\nconnection:[^\r]*", "").replaceFirst("\r\n", "\r\nConnection: close\r\n");
    }

    private static String field(String head, String name, String absent) {
        var matcher = Pattern.compile("(?im)^" + name + ": *([^\r]*)").matcher(head);
        return matcher.find() ? matcher.group(1) : absent;
    }
}
