import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/// Sends requests to a worker at random times, whether it keeps up or not. Compare the result with the calculation of
/// `Capacity.java`. Java 17 or newer, JDK only.
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

    private static final String USAGE = """
            Usage: java Arrivals.java URL RATE SECONDS ANSWER SLOTS
                   java Arrivals.java URL together=NUMBER SECONDS ANSWER

              URL              a worker, such as http://localhost:8080
              RATE             requests per second, at random times
              together=NUMBER  keeps this number of requests running, and prints a point of the curve
              SECONDS          how long to send
              ANSWER           mean number of tokens of an answer
              SLOTS            the slots of the worker

            Needs Java 17 or newer.""";

    private static final String TOGETHER = "together=";

    public static void main(String[] arguments) throws Exception {
        if (List.of(arguments).contains("--help")) {
            System.out.println(USAGE);
            return;
        }
        try {
            run(arguments);
        } catch (IllegalArgumentException e) {
            System.err.println("Arrivals: " + e.getMessage() + ". --help lists the arguments");
            System.exit(2);
        }
    }

    private static void run(String[] arguments) throws Exception {
        var together = arguments.length > 1 && arguments[1].startsWith(TOGETHER);
        var needed = together ? 4 : 5;
        if (arguments.length != needed) {
            throw new IllegalArgumentException("it needs " + needed + " arguments, and has " + arguments.length);
        }
        if (!arguments[0].matches("https?://[^/]+(/.*)?")) {
            throw new IllegalArgumentException("\"" + arguments[0] + "\" is no URL; it must be like http://localhost:8080");
        }
        var test = new Arrivals(arguments[0].replaceFirst("/+$", ""), positive("ANSWER", arguments[3]));
        var length = positive("SECONDS", arguments[2]);
        if (together) {
            test.together((int) positive("together", arguments[1].substring(TOGETHER.length())), length);
        } else {
            test.arrive(positive("RATE", arguments[1]), length, (int) positive("SLOTS", arguments[4]));
        }
    }

    private static double positive(String name, String text) {
        try {
            var number = Double.parseDouble(text);
            if (number > 0 && number < 1e9) {
                return number;
            }
        } catch (NumberFormatException e) {
            // It is refused below.
        }
        throw new IllegalArgumentException(name + " is \"" + text + "\"; it must be a number above 0");
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
        var threads = Executors.newCachedThreadPool();
        try {
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
        } finally {
            threads.shutdown();
        }
        threads.awaitTermination(1, TimeUnit.HOURS);
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
            new Thread(() -> {
                while (System.nanoTime() < end) {
                    running.incrementAndGet();
                    request((int) answerTokens);
                }
                done.countDown();
            }).start();
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
