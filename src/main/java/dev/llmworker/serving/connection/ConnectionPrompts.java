package dev.llmworker.serving.connection;

import dev.llmworker.generation.Answer;
import dev.llmworker.generation.Lease;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The prompts of one connection: those without an id one after the other, those with one side by side.
///
/// Threading: any thread; each prompt runs on a virtual thread.
public final class ConnectionPrompts {
    /// Prompts without an id that may wait while one runs.
    public static final int MAX_WAITING = 8;
    /// Prompts with an id that may run at a time.
    public static final int MAX_WITH_ID = 8;

    private final SerialExecutor lane = new SerialExecutor("ws-prompts");
    private final Queue<PromptRun> inTurn = new ArrayDeque<>(2);
    private final Map<String, PromptRun> byId = new HashMap<>();

    /// What became of a prompt with an id.
    public enum Start {
        STARTED,
        ID_IN_USE,
        TOO_MANY
    }

    /// Runs a prompt after those before it.
    ///
    /// @return whether it was taken; else [#MAX_WAITING] wait already
    synchronized boolean enqueue(Consumer<PromptRun> prompt) {
        var run = new PromptRun(this::forget);
        var taken = lane.enqueue(() -> run(prompt, run), MAX_WAITING);
        if (taken) {
            inTurn.add(run);
        }
        return taken;
    }

    private static void run(Consumer<PromptRun> prompt, PromptRun run) {
        try {
            prompt.accept(run);
        } finally {
            run.release();
        }
    }

    private synchronized void forget(PromptRun run) {
        inTurn.remove(run);
    }

    private synchronized void forget(String id, PromptRun run) {
        byId.remove(id, run);
    }

    /// Runs a prompt beside the others.
    ///
    /// @param id as JSON
    Start start(String id, Consumer<PromptRun> prompt) {
        var run = new PromptRun(it -> forget(id, it));
        synchronized (this) {
            if (byId.containsKey(id)) {
                return Start.ID_IN_USE;
            }
            if (byId.size() >= MAX_WITH_ID) {
                return Start.TOO_MANY;
            }
            byId.put(id, run);
        }
        try (var place = Lease.of(run::release)) {
            Thread.ofVirtual().name("ws-prompt").start(() -> run(prompt, run));
            place.keep();
        }
        return Start.STARTED;
    }

    /// Ends the prompt with this id.
    ///
    /// @return whether there is one
    public boolean end(String id) {
        PromptRun run;
        synchronized (this) {
            run = byId.get(id);
        }
        if (run != null) {
            run.end();
        }
        return run != null;
    }

    /// Ends all that run: those with an id, and the one without that has its turn. Those that wait for it go on.
    public void endRunning() {
        List<PromptRun> runs;
        synchronized (this) {
            runs = new ArrayList<>(byId.values());
            var first = inTurn.peek();
            if (first != null) {
                runs.add(first);
            }
        }
        runs.forEach(PromptRun::end);
    }

    /// Ends all that run, and forgets what waits.
    void close() {
        lane.clear();
        endRunning();
    }

    /// One prompt of a WebSocket, from when it is taken to its end.
    public static final class PromptRun {
        private final Consumer<PromptRun> release;
        private @Nullable Answer<?> answer;
        private boolean over;

        /// @param release forgets it
        PromptRun(Consumer<PromptRun> release) {
            this.release = release;
        }

        /// The prompt has ended, and its id can be used again. Called before its client hears of it.
        public void release() {
            release.accept(this);
        }

        /// Names the answer that ends with it.
        public void began(Answer<?> begun) {
            synchronized (this) {
                answer = begun;
                if (!over) {
                    return;
                }
            }
            begun.close();
        }

        /// Ends its answer, now or when it begins.
        void end() {
            Answer<?> begun;
            synchronized (this) {
                over = true;
                begun = answer;
            }
            if (begun != null) {
                begun.close();
            }
        }
    }
}
