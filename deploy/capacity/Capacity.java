import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/// Says how many workers a load needs, and how long requests wait, by a calculation and by a simulation
/// (`Simulation.java`). JDK only.
///
/// `java Capacity.java curve=1:164,8:415,32:786 answer=128 rate=20 slots=32`; `main` reads more arguments. `curve` is
/// the measured speed of one worker: the number of running sequences, and the tokens per second of all of them. `rate`
/// is the requests per second of all clients. `wait` is the allowed p95 of the wait, in seconds. `price` is the price
/// of a worker per hour. `workers=10,100` describes fleets of these sizes, at `rate` or at the highest rate that keeps
/// `wait`.
///
/// A worker is a queue whose speed depends on its number of requests k. At most `slots` run, and the rest wait. It ends
/// curve(k) / answer requests per second. Arrivals are independent of each other (Poisson). The calculation gives each
/// worker its share of the rate, as a random load balancer would. The simulation sends each request to the worker with
/// the fewest requests, as RunPod's load balancer and the worker's own do.
class Capacity {
    private final TreeMap<Integer, Double> curve = new TreeMap<>();
    final int slots;
    final int queue;
    private final double answerTokens;

    public static void main(String[] arguments) {
        Map<String, String> given = new HashMap<>();
        for (var argument : arguments) {
            var at = argument.indexOf('=');
            given.put(argument.substring(0, at), argument.substring(at + 1));
        }
        var model = new Capacity(
                given.getOrDefault("curve", "1:164,8:415,32:786"),
                Integer.parseInt(given.getOrDefault("slots", "32")),
                given.get("queue"),
                Double.parseDouble(given.getOrDefault("answer", "128")));
        var rate = Double.parseDouble(given.getOrDefault("rate", "20"));
        var wait = Double.parseDouble(given.getOrDefault("wait", "1"));
        var price = Double.parseDouble(given.getOrDefault("price", "0"));
        model.describeWorker();
        if (given.containsKey("workers")) {
            for (var number : given.get("workers").split(",")) {
                var workers = Integer.parseInt(number);
                var held = given.containsKey("rate") ? rate : workers * model.rateHeld(wait);
                System.out.printf(Locale.ROOT, "%.2f requests/s at ", held);
                model.describe(workers, held, price);
            }
            return;
        }
        for (var workers = 1; workers <= 100_000; workers++) {
            if (model.holds(rate / workers, wait)) {
                System.out.printf(
                        Locale.ROOT, "%.1f requests/s with p95 of the wait <= %.1f s need:%n", rate, wait);
                model.describe(workers, rate, price);
                return;
            }
        }
        System.out.println("no fleet is large enough: one request alone waits longer");
    }

    Capacity(String curve, int slots, String queue, double answerTokens) {
        for (var point : curve.split(",")) {
            var colon = point.indexOf(':');
            this.curve.put(Integer.parseInt(point.substring(0, colon)), Double.parseDouble(point.substring(colon + 1)));
        }
        this.slots = slots;
        this.queue = queue == null ? 4 * slots : Integer.parseInt(queue);
        this.answerTokens = answerTokens;
    }

    /// Whether one worker keeps this wait and rejects hardly any request.
    private boolean holds(double rate, double waitP95) {
        var state = calculate(rate);
        return state.waitP95 <= waitP95 && state.refused < 0.001;
    }

    /// The highest rate, in requests per second, at which one worker keeps this wait.
    private double rateHeld(double waitP95) {
        var low = 0.0;
        var high = speed(slots);
        for (var i = 0; i < 40; i++) {
            var middle = (low + high) / 2;
            if (holds(middle, waitP95)) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return low;
    }

    /// The requests per second that a worker with this many requests ends.
    double speed(int requests) {
        var running = Math.min(requests, slots);
        if (running == 0) {
            return 0;
        }
        var low = curve.floorEntry(running);
        var high = curve.ceilingEntry(running);
        double tokens;
        if (low == null) {
            // Below the first measured point each sequence is as fast as at that point.
            tokens = high.getValue() * running / high.getKey();
        } else if (high == null || high.getKey().equals(low.getKey())) {
            tokens = low.getValue();
        } else {
            var share = (double) (running - low.getKey()) / (high.getKey() - low.getKey());
            tokens = low.getValue() + share * (high.getValue() - low.getValue());
        }
        return tokens / answerTokens;
    }

    /// The state of one worker as its clients see it. Times are in seconds.
    record State(double running, double waiting, double refused, double waitMean, double waitP95, double whole) {}

    /// The birth-death chain of one worker, at a rate of arrivals per second.
    State calculate(double rate) {
        var most = slots + queue;
        // Logarithms, because hundreds of factors exceed the range of a double.
        var logs = new double[most + 1];
        for (var k = 1; k <= most; k++) {
            logs[k] = logs[k - 1] + Math.log(rate) - Math.log(speed(k));
        }
        var largest = Arrays.stream(logs).max().orElseThrow();
        var chance = Arrays.stream(logs).map(log -> Math.exp(log - largest)).toArray();
        var sum = Arrays.stream(chance).sum();
        var running = 0.0;
        var waiting = 0.0;
        for (var k = 0; k <= most; k++) {
            chance[k] /= sum;
            running += chance[k] * Math.min(k, slots);
            waiting += chance[k] * Math.max(0, k - slots);
        }
        var accepted = rate * (1 - chance[most]);
        return new State(
                running,
                waiting,
                chance[most],
                waiting / accepted,
                waitQuantile(chance, 0.95),
                (running + waiting) / accepted);
    }

    /// A request that finds k others waits until k - slots + 1 of them have ended, at full speed.
    private double waitQuantile(double[] chance, double share) {
        var found = 0.0;
        for (var k = 0; k < chance.length - 1; k++) {
            found += chance[k] / (1 - chance[chance.length - 1]);
            if (found >= share) {
                return k < slots ? 0 : (k - slots + 1) / speed(slots);
            }
        }
        return queue / speed(slots);
    }

    private void describeWorker() {
        System.out.printf(
                Locale.ROOT,
                "one worker: %d slots, %d may wait, at most %.2f requests/s of %.0f tokens (%.0f tokens/s)%n",
                slots,
                queue,
                speed(slots),
                answerTokens,
                speed(slots) * answerTokens);
    }

    private void describe(int workers, double rate, double price) {
        var state = calculate(rate / workers);
        System.out.printf(
                Locale.ROOT,
                "%d workers: %.0f run and %.0f wait of %d slots, %.0f %% busy%s%n",
                workers,
                workers * state.running,
                workers * state.waiting,
                workers * slots,
                100 * rate / workers / speed(slots),
                price > 0
                        ? String.format(
                                Locale.ROOT,
                                ", %.2f an hour, %.3f a million tokens",
                                workers * price,
                                workers * price / (rate * answerTokens * 3600) * 1e6)
                        : "");
        show("  sent at random", state);
        if (workers <= 1000) {
            show("  sent to the fewest", new Simulation(this).run(workers, rate, new Random(1)));
        }
    }

    private static void show(String name, State state) {
        System.out.printf(
                Locale.ROOT,
                "%-20s wait %.2f s (p95 %.2f), whole answer %.2f s, %.2f %% refused%n",
                name,
                state.waitMean,
                state.waitP95,
                state.whole,
                100 * state.refused);
    }
}
