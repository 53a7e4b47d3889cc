package dev.llmworker.engine.queue;

import dev.llmworker.generation.Share;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Waiting jobs in lines, one for each owner of requests. The next job is that of the owner which has had the least
/// work done for its weight. Of two that are equal, the one that has waited longer is next. Within a line the first
/// come is the first served.
///
/// This is the virtual token counter of "Fairness in Serving Large Language Models" (Sheng and others, OSDI
/// 2024). An owner that has had nothing waiting is lifted to the least of those that wait. So it has no claim on slots
/// that it did not use, and nobody pays later for slots that nobody else wanted.
///
/// Threading: its caller holds a lock.
public final class FairQueue<T extends Job> {
    private final Map<String, Line<T>> lines = new HashMap<>();
    private final Map<T, Taken<T>> taken = new IdentityHashMap<>();
    /// Whose job was taken last.
    private @Nullable Line<T> last;

    private long arrivals;
    private int size;

    /// A job and the order in which it came.
    private record Entry<T>(long arrival, T job) {}

    /// What one owner has waiting and running.
    private static final class Line<T> {
        final ArrayDeque<Entry<T>> waiting = new ArrayDeque<>();
        int weight;
        int running;
        /// The work that was done for it, divided by its weight.
        double served;

        boolean isActive() {
            return running > 0 || !waiting.isEmpty();
        }

        boolean isBefore(Line<T> other) {
            return served < other.served || served == other.served && arrival() < other.arrival();
        }

        private long arrival() {
            return waiting.getFirst().arrival;
        }
    }

    /// A job that has a slot, or is about to.
    private static final class Taken<T extends Job> {
        final Line<T> line;
        long counted;

        Taken(Line<T> line) {
            this.line = line;
        }

        void count(T job) {
            var work = job.work();
            line.served += (double) (work - counted) / line.weight;
            counted = work;
        }
    }

    public void add(T job) {
        var line = line(job.share());
        if (line.waiting.isEmpty()) {
            countWork();
            line.served = Math.max(line.served, level());
        }
        enqueue(job, line);
    }

    /// The job that follows one which was just taken. Its owner has not stopped waiting, so it keeps its claim.
    public void addNext(T job) {
        enqueue(job, line(job.share()));
    }

    private Line<T> line(Share share) {
        var line = lines.computeIfAbsent(share.owner(), _ -> new Line<>());
        // A key's weight may have changed since its last request.
        line.weight = share.weight();
        return line;
    }

    private void enqueue(T job, Line<T> line) {
        line.waiting.add(new Entry<>(arrivals++, job));
        size++;
    }

    public @Nullable T poll() {
        return poll(_ -> true);
    }

    /// Takes the next of those jobs that may run now. The others keep their places.
    public @Nullable T poll(Predicate<T> mayRun) {
        if (size == 0) {
            return null;
        }
        countWork();
        @Nullable Line<T> next = null;
        for (var line : lines.values()) {
            if (line.waiting.stream().anyMatch(entry -> mayRun.test(entry.job))
                    && (next == null || line.isBefore(next))) {
                next = line;
            }
        }
        return next == null ? null : take(next, mayRun);
    }

    private T take(Line<T> line, Predicate<T> mayRun) {
        var job =
                line.waiting.stream().map(Entry::job).filter(mayRun).findFirst().orElseThrow();
        line.waiting.removeIf(entry -> entry.job == job);
        size--;
        last = line;
        line.running++;
        var work = new Taken<>(line);
        taken.put(job, work);
        // What is known of it counts at once, so that slots which are free together go to several owners.
        work.count(job);
        return job;
    }

    /// A job that was taken has ended. Others are ignored.
    public void ended(T job) {
        var work = taken.remove(job);
        if (work == null) {
            return;
        }
        work.count(job);
        work.line.running--;
        forgetIdle();
    }

    public boolean remove(T job) {
        return removeIf(job.share().owner(), it -> it == job, new ArrayList<>(1));
    }

    /// Takes out waiting jobs.
    public List<T> removeAll(Predicate<T> unwanted) {
        var removed = new ArrayList<T>(0);
        for (var owner : List.copyOf(lines.keySet())) {
            removeIf(owner, unwanted, removed);
        }
        return removed;
    }

    /// @return whether it has removed some
    private boolean removeIf(String owner, Predicate<T> unwanted, Collection<T> removed) {
        var line = lines.get(owner);
        var before = removed.size();
        if (line != null && line.waiting.removeIf(entry -> unwanted.test(entry.job) && removed.add(entry.job))) {
            size -= removed.size() - before;
            forgetIdle();
            return true;
        }
        return false;
    }

    /// Takes out all jobs.
    public List<T> clear() {
        var all = jobs().toList();
        lines.clear();
        last = null;
        taken.clear();
        size = 0;
        return all;
    }

    /// The jobs that wait, in no order.
    public Stream<T> jobs() {
        return lines.values().stream().flatMap(line -> line.waiting.stream()).map(Entry::job);
    }

    public int size() {
        return size;
    }

    public int owners() {
        return lines.size();
    }

    /// Whether other owners than this one wait or run.
    public boolean hasOthers(Share share) {
        return lines.entrySet().stream()
                .anyMatch(line -> line.getValue().isActive() && !line.getKey().equals(share.owner()));
    }

    /// Whether fewer jobs of an owner wait than its part of `places`, by the weights of all that wait or run. Each
    /// owner's part is at least one place, if there are any.
    public boolean isBelowShare(Share share, int places) {
        var own = lines.get(share.owner());
        var others = lines.values().stream()
                .filter(line -> line != own && line.isActive())
                .mapToLong(line -> line.weight)
                .sum();
        var part = Math.max(Math.min(places, 1), (long) places * share.weight() / (others + share.weight()));
        return (own == null ? 0 : own.waiting.size()) < part;
    }

    private void countWork() {
        taken.forEach((job, work) -> work.count(job));
    }

    /// What an owner has been served at least by the time that it waits: as much as the least of those that wait.
    /// If none does, as much as the one whose job was taken last. Owners that only run do not count: what they
    /// have had less of, they did not want.
    private double level() {
        return lines.values().stream()
                .filter(line -> !line.waiting.isEmpty())
                .mapToDouble(line -> line.served)
                .min()
                .orElse(last == null ? 0 : last.served);
    }

    /// An idle owner is remembered only while it has had more than the others: later it would be lifted to them.
    private void forgetIdle() {
        if (lines.values().stream().noneMatch(Line::isActive)) {
            lines.clear();
            last = null;
            return;
        }
        var level = level();
        lines.values().removeIf(line -> !line.isActive() && line.served <= level);
    }
}
