import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Random;

/// Simulates, request by request, a fleet behind a load balancer that picks the worker with the fewest requests.
class Simulation {
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
    Capacity.State run(int workers, double rate, Random random) {
        var fleet = new Worker[workers];
        Arrays.setAll(fleet, _ -> new Worker());
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
        return new Capacity.State(
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
                waits.add(end - worker.waiting.removeFirst());
                begin(worker, random);
            }
        }
        worker.now = time;
    }
}
