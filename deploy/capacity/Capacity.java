import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;

/// Says how many workers a load needs, and how long requests wait, by a calculation and by a simulation. Java 17 or newer,
/// JDK only.
///
/// `java Capacity.java curve=1:164,8:415,32:786 answer=128 rate=20 slots=32`; `--help` lists all arguments. `curve` is
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

    private static final String USAGE = """
            Usage: java Capacity.java NAME=VALUE ...

              curve=1:164,8:415,32:786  measured speed of a worker: running sequences, and tokens per second of all of them
              slots=32                  requests that a worker runs together
              queue=128                 requests that may wait (default: four per slot)
              answer=128                mean number of tokens of an answer
              rate=20                   requests per second of all clients
              wait=1                    allowed p95 of the wait, in seconds
              price=0                   price of a worker per hour
              workers=10,100            describes fleets of these sizes, at rate or at the highest rate that keeps wait

            Needs Java 17 or newer.""";

    private static final Map<String, String> DEFAULTS = Map.of(
            "curve", "1:164,8:415,32:786", "slots", "32", "queue", "", "answer", "128", "rate", "20", "wait", "1", "price",
            "0", "workers", "");

    public static void main(String[] arguments) {
        if (List.of(arguments).contains("--help")) {
            System.out.println(USAGE);
            return;
        }
        try {
            run(given(arguments));
        } catch (IllegalArgumentException e) {
            System.err.println("Capacity: " + e.getMessage() + ". --help lists the arguments");
            System.exit(2);
        }
    }

    private static Map<String, String> given(String[] arguments) {
        var given = new HashMap<String, String>();
        for (var argument : arguments) {
            var at = argument.indexOf('=');
            var name = at < 0 ? argument : argument.substring(0, at);
            if (at < 0 || !DEFAULTS.containsKey(name)) {
                throw new IllegalArgumentException("\"" + argument + "\" is no argument; it must be NAME=VALUE, with NAME one of "
                        + String.join(", ", new TreeSet<>(DEFAULTS.keySet())));
            }
            given.put(name, argument.substring(at + 1));
        }
        if (given.isEmpty()) {
            throw new IllegalArgumentException("no arguments are given");
        }
        return given;
    }

    private static double number(String name, String text, double least) {
        try {
            var number = Double.parseDouble(text);
            if (number >= least && number < Double.POSITIVE_INFINITY) {
                return number;
            }
        } catch (NumberFormatException e) {
            // It is refused below.
        }
        throw new IllegalArgumentException(name + " has \"" + text + "\"; it must be a number of at least "
                + BigDecimal.valueOf(least).stripTrailingZeros().toPlainString());
    }

    private static int whole(String name, String text, int least) {
        var number = number(name, text, least);
        if (number != Math.rint(number) || number > 1_000_000) {
            throw new IllegalArgumentException(name + " has \"" + text + "\"; it must be a whole number up to 1000000");
        }
        return (int) number;
    }

    private static void run(Map<String, String> given) {
        var values = new HashMap<>(DEFAULTS);
        values.putAll(given);
        var model = new Capacity(
                values.get("curve"),
                whole("slots", values.get("slots"), 1),
                values.get("queue"),
                number("answer", values.get("answer"), 1));
        var rate = number("rate", values.get("rate"), 1e-6);
        var wait = number("wait", values.get("wait"), 0);
        var price = number("price", values.get("price"), 0);
        var fleets = new ArrayList<Integer>();
        if (given.containsKey("workers")) {
            for (var number : given.get("workers").split(",")) {
                fleets.add(whole("workers", number, 1));
            }
        }
        model.describeWorker();
        if (!fleets.isEmpty()) {
            for (var workers : fleets) {
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
            var parts = point.split(":");
            if (parts.length != 2) {
                throw new IllegalArgumentException("curve has \"" + point + "\"; it must be SEQUENCES:TOKENS_PER_SECOND");
            }
            this.curve.put(whole("curve", parts[0], 1), number("curve", parts[1], 1e-6));
        }
        this.slots = slots;
        this.queue = queue.isEmpty() ? 4 * slots : whole("queue", queue, 0);
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

    /// Simulates, request by request, a fleet behind a load balancer that picks the worker with the fewest requests.
    private static final class Simulation {
        private final Capacity model;

        Simulation(Capacity model) {
            this.model = model;
        }

        /// A simulated worker: the rest of each running request, in answers, and the arrival times of waiting requests.
        private static final class Worker {
            final PriorityQueue<Double> ends = new PriorityQueue<>();
            final ArrayList<Double> waiting = new ArrayList<>();
            /// The progress of a request that has run from the start.
            double progress;
            double now;
        }

        /// Simulates request by request. Lengths are exponential, as in the calculation.
        State run(int workers, double rate, Random random) {
            var fleet = new Worker[workers];
            Arrays.setAll(fleet, index -> new Worker());
            var requests = Math.max(20_000, 200 * workers);
            var warm = requests / 3;
            var waits = new ArrayList<Double>();
            var refused = 0;
            var area = 0.0;
            var waitingArea = 0.0;
            var last = 0.0;
            var began = 0.0;
            var now = 0.0;
            for (var i = 0; i < requests; i++) {
                now += -Math.log(1 - random.nextDouble()) / rate;
                var running = 0;
                var waiting = 0;
                Worker best = null;
                var offset = random.nextInt(workers);
                for (var w = 0; w < workers; w++) {
                    var worker = fleet[(w + offset) % workers];
                    advance(worker, now, waits, random);
                    running += worker.ends.size();
                    waiting += worker.waiting.size();
                    if (best == null || size(worker) < size(best)) {
                        best = worker;
                    }
                }
                if (i == warm) {
                    waits.clear();
                    refused = 0;
                    area = 0;
                    waitingArea = 0;
                    began = now;
                    last = now;
                }
                area += running * (now - last);
                waitingArea += waiting * (now - last);
                last = now;
                if (best.ends.size() < model.slots) {
                    begin(best, random);
                    waits.add(0.0);
                } else if (best.waiting.size() < model.queue) {
                    best.waiting.add(now);
                } else {
                    refused++;
                }
            }
            var seconds = now - began;
            var accepted = requests - warm - refused;
            waits.sort(null);
            return new State(
                    area / seconds / workers,
                    waitingArea / seconds / workers,
                    (double) refused / (requests - warm),
                    waits.stream().mapToDouble(Double::doubleValue).average().orElse(0),
                    waits.get((int) (0.95 * (waits.size() - 1))),
                    (area + waitingArea) / accepted);
        }

        private static int size(Worker worker) {
            return worker.ends.size() + worker.waiting.size();
        }

        private static void begin(Worker worker, Random random) {
            worker.ends.add(worker.progress - Math.log(1 - random.nextDouble()));
        }

        /// Advances a worker to `time`. All running requests share its speed.
        private void advance(Worker worker, double time, List<Double> waits, Random random) {
            while (!worker.ends.isEmpty()) {
                var each = model.speed(worker.ends.size()) / worker.ends.size();
                var end = worker.now + (worker.ends.peek() - worker.progress) / each;
                if (end > time) {
                    worker.progress += (time - worker.now) * each;
                    break;
                }
                worker.progress = worker.ends.poll();
                worker.now = end;
                if (!worker.waiting.isEmpty()) {
                    waits.add(end - worker.waiting.remove(0));
                    begin(worker, random);
                }
            }
            worker.now = time;
        }
    }
}
