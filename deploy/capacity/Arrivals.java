import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/// Sends requests to a worker at random times, whether it keeps up or not. Compare the result with the calculation of
/// `Capacity.java`. JDK only.
///
/// `java Arrivals.java http://localhost:8080 RATE SECONDS ANSWER SLOTS` sends RATE requests per second to a worker with
/// SLOTS slots. Answers have ANSWER tokens on average (exponential, as in the calculation, and at least 1). Requests
/// beyond SLOTS wait, and the mean wait follows by Little's law.
///
/// `java Arrivals.java http://localhost:8080 together=8 SECONDS ANSWER` keeps 8 requests running and prints a point of
/// the curve.
class Arrivals {
    private static final HttpClient HTTP = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    private final String url;
    private final double answerTokens;
    private final AtomicInteger running = new AtomicInteger();
    private final AtomicInteger refused = new AtomicInteger();
    private final ArrayList<Double> seconds = new ArrayList<>();
    private final ArrayList<Double> first = new ArrayList<>();
    private long tokens;

    public static void main(String[] arguments) throws Exception {
        var test = new Arrivals(arguments[0], Double.parseDouble(arguments[3]));
        var length = Double.parseDouble(arguments[2]);
        if (arguments[1].startsWith("together=")) {
            test.together(Integer.parseInt(arguments[1].substring("together=".length())), length);
        } else {
            test.arrive(Double.parseDouble(arguments[1]), length, Integer.parseInt(arguments[4]));
        }
    }

    private Arrivals(String url, double answerTokens) {
        this.url = url;
        this.answerTokens = answerTokens;
    }

    private void arrive(double rate, double length, int slots) throws Exception {
        var random = new Random(7);
        var began = System.nanoTime();
        var found = 0L;
        var foundWaiting = 0L;
        var sent = 0;
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var next = -Math.log(1 - random.nextDouble()) / rate;
            while (next <= length) {
                var number = 1 + (int) (-Math.log(1 - random.nextDouble()) * answerTokens);
                sleepUntil(began + (long) (next * 1e9));
                // Arrivals at random times see the average state.
                found += running.get();
                foundWaiting += Math.max(0, running.get() - slots);
                sent++;
                running.incrementAndGet();
                threads.submit(() -> request(number));
                next += -Math.log(1 - random.nextDouble()) / rate;
            }
        }
        var accepted = (double) (sent - refused.get()) / length;
        System.out.printf(
                Locale.ROOT,
                "%.2f requests/s (%d sent, %d refused): %.1f in the worker, wait %.3f s, first token p50 %.3f s p95 %.3f, answer %.2f s, %.0f tokens/s%n",
                rate,
                sent,
                refused.get(),
                (double) found / sent,
                foundWaiting / (double) sent / accepted,
                quantile(first, 0.5),
                quantile(first, 0.95),
                seconds.stream().mapToDouble(Double::doubleValue).average().orElse(0),
                tokens / ((System.nanoTime() - began) / 1e9));
    }

    private void together(int number, double length) throws Exception {
        var end = System.nanoTime() + (long) (length * 1e9);
        var done = new CountDownLatch(number);
        var began = System.nanoTime();
        for (var i = 0; i < number; i++) {
            Thread.ofVirtual().start(() -> {
                while (System.nanoTime() < end) {
                    running.incrementAndGet();
                    request((int) answerTokens);
                }
                done.countDown();
            });
        }
        done.await();
        // The last requests run with fewer beside them. This calculation ignores that.
        System.out.printf(Locale.ROOT, "%d:%.0f%n", number, tokens / ((System.nanoTime() - began) / 1e9));
    }

    private static void sleepUntil(long nanos) {
        for (var left = nanos - System.nanoTime(); left > 0; left = nanos - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }

    private void request(int number) {
        var began = System.nanoTime();
        var body = "{\"prompt\":\"Tell me about load balancing\",\"raw\":true,\"stream\":true,\"ignore_eos\":true,\"max_tokens\":"
                + number + "}";
        try {
            var answer = HTTP.send(
                    HttpRequest.newBuilder(URI.create(url + "/generate"))
                            .header("Content-Type", "application/json")
                            .POST(HttpRequest.BodyPublishers.ofString(body))
                            .build(),
                    HttpResponse.BodyHandlers.ofLines());
            if (answer.statusCode() != 200) {
                refused.incrementAndGet();
                return;
            }
            var events = answer.body().iterator();
            var firstSeconds = -1.0;
            var count = 0;
            while (events.hasNext()) {
                if (events.next().contains("\"token\"")) {
                    firstSeconds = firstSeconds < 0 ? (System.nanoTime() - began) / 1e9 : firstSeconds;
                    count++;
                }
            }
            synchronized (this) {
                seconds.add((System.nanoTime() - began) / 1e9);
                first.add(firstSeconds);
                tokens += count;
            }
        } catch (Exception e) {
            refused.incrementAndGet();
        } finally {
            running.decrementAndGet();
        }
    }

    private static double quantile(ArrayList<Double> values, double share) {
        var sorted = new ArrayList<>(values);
        Collections.sort(sorted);
        return sorted.isEmpty() ? 0 : sorted.get((int) (share * (sorted.size() - 1)));
    }
}
