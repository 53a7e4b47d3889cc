package dev.llmworker.serving.responses;

import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.text.chat.ChatMessage;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The responses that are kept for `previous_response_id` and for clients that ask for them again, and those that are
/// being generated. A client sees only those of its own API key. The store takes at most a quarter of the budget for
/// memory. If it is full, the oldest response goes of the key that takes most.
///
/// Threading: any thread.
public final class ResponseStore {
    private static final long BUDGET_SHARE = 4;
    private static final long BYTES_PER_CHARACTER = 2;
    private static final long OBJECT_BYTES = 64;

    private final int most;
    private final long mostBytes;
    private final Duration kept;
    private final InstantSource clock;
    private final MemoryBudget.Lease memory;
    private final Map<String, Shelf> shelves = new HashMap<>();
    private final Map<String, Running> running = new HashMap<>();
    private int count;
    private long bytes;

    /// An item of a response's input or output, as JSON.
    record Item(String id, String json) {}

    /// A response that has ended.
    ///
    /// @param json of the response
    /// @param input items of its own request
    /// @param output its items
    /// @param turns the conversation with this response at its end, without `instructions`
    record Stored(String id, String json, List<Item> input, List<Item> output, List<ChatMessage> turns) {
        Stored {
            input = List.copyOf(input);
            output = List.copyOf(output);
            turns = List.copyOf(turns);
        }

        private long bytes() {
            var items = bytesOf(input) + bytesOf(output);
            return items
                    + BYTES_PER_CHARACTER * json.length()
                    + turns.stream().mapToLong(ResponseStore::bytesOf).sum()
                    + OBJECT_BYTES;
        }

        private static long bytesOf(List<Item> items) {
            return items.stream()
                    .mapToLong(item -> BYTES_PER_CHARACTER * item.json.length() + OBJECT_BYTES)
                    .sum();
        }
    }

    /// A response that is being generated.
    ///
    /// @param salt tells API keys apart
    /// @param shown the response so far, by its status
    record Running(String salt, Runnable cancel, Shown shown) {}

    /// Writes a response that has not ended.
    interface Shown {
        String json(String status);
    }

    /// The responses of one API key, the oldest first.
    private static final class Shelf {
        private final Map<String, Entry> entries = new LinkedHashMap<>();
        private long bytes;
    }

    private record Entry(Stored stored, long bytes, long untilMillis) {}

    /// @param most the most responses that are kept; 0 for none
    /// @param kept how long each is kept
    /// @param budget counts them
    public ResponseStore(int most, Duration kept, InstantSource clock, MemoryBudget budget) {
        this.most = most;
        this.kept = kept;
        this.clock = clock;
        memory = budget.lease();
        mostBytes = memory.limitBytes() / BUDGET_SHARE;
    }

    static long bytesOf(ChatMessage turn) {
        return OBJECT_BYTES
                + turn.texts()
                        .mapToLong(text -> BYTES_PER_CHARACTER * text.length())
                        .sum();
    }

    /// Whether responses are kept at all.
    boolean isOn() {
        return most > 0;
    }

    /// Keeps a response, unless it alone is more than the store may take.
    synchronized void put(Client client, Stored stored) {
        expire();
        var size = stored.bytes();
        if (!isOn() || size > mostBytes) {
            return;
        }
        while (count >= most || size > mostBytes - bytes || !memory.take(size)) {
            if (count == 0) {
                return;
            }
            evict();
        }
        var shelf = shelves.computeIfAbsent(client.cacheSalt(), _ -> new Shelf());
        shelf.entries.put(stored.id, new Entry(stored, size, clock.millis() + kept.toMillis()));
        shelf.bytes += size;
        count++;
        bytes += size;
    }

    /// A response of the client's API key; null if there is none.
    synchronized @Nullable Stored find(Client client, String id) {
        expire();
        var shelf = shelves.get(client.cacheSalt());
        var entry = shelf == null ? null : shelf.entries.get(id);
        return entry == null ? null : entry.stored;
    }

    /// An item of one of the responses of the client's API key; null if there is none.
    synchronized @Nullable Item item(Client client, String id) {
        expire();
        var shelf = shelves.get(client.cacheSalt());
        return shelf == null
                ? null
                : shelf.entries.values().stream()
                        .flatMap(entry -> List.of(entry.stored.output, entry.stored.input).stream())
                        .flatMap(Collection::stream)
                        .filter(item -> item.id.equals(id))
                        .findFirst()
                        .orElse(null);
    }

    /// @return false if the client's API key has no such response
    synchronized boolean delete(Client client, String id) {
        expire();
        var shelf = shelves.get(client.cacheSalt());
        return shelf != null && remove(client.cacheSalt(), shelf, id);
    }

    synchronized void begin(String id, Running response) {
        running.put(id, response);
    }

    synchronized void end(String id) {
        running.remove(id);
    }

    /// A response of the client's API key that is being generated; null if there is none.
    synchronized @Nullable Running running(Client client, String id) {
        var response = running.get(id);
        return response != null && response.salt.equals(client.cacheSalt()) ? response : null;
    }

    /// All responses are kept for the same time, so the oldest expire first.
    private void expire() {
        var now = clock.millis();
        for (var entry : List.copyOf(shelves.entrySet())) {
            var shelf = entry.getValue();
            while (!shelf.entries.isEmpty() && oldest(shelf).untilMillis <= now) {
                remove(entry.getKey(), shelf, oldest(shelf).stored.id);
            }
        }
    }

    private static Entry oldest(Shelf shelf) {
        return shelf.entries.values().iterator().next();
    }

    private void evict() {
        var largest = shelves.entrySet().stream()
                .max(Comparator.comparingLong(entry -> entry.getValue().bytes))
                .orElseThrow();
        remove(largest.getKey(), largest.getValue(), oldest(largest.getValue()).stored.id);
    }

    /// @return false if it is not there
    private boolean remove(String salt, Shelf shelf, String id) {
        var gone = shelf.entries.remove(id);
        if (gone == null) {
            return false;
        }
        shelf.bytes -= gone.bytes;
        bytes -= gone.bytes;
        count--;
        memory.add(-gone.bytes);
        if (shelf.entries.isEmpty()) {
            shelves.remove(salt);
        }
        return true;
    }
}
