package dev.llmworker.serving.responses;

import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.text.chat.ChatMessage;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.LongConsumer;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/// The responses that are kept for `previous_response_id` and for clients that ask for them again, those that a
/// WebSocket keeps for itself, and those that are being generated. A client sees only those of its own API key. The
/// store takes at most a quarter of the budget for memory. If it is full, it drops the oldest response of the key
/// that takes most. A key that takes no more than the others loses nothing to them.
///
/// Threading: any thread.
public final class ResponseStore {
    private static final long BUDGET_SHARE = 4;
    private static final long BYTES_PER_CHARACTER = 2;
    private static final long OBJECT_BYTES = 64;
    /// Of an item and its places in the maps.
    private static final long ITEM_BYTES = 256;

    private final int most;
    private final long mostBytes;
    private final Duration kept;
    private final InstantSource clock;
    private final MemoryBudget.Lease memory;
    private final Map<String, Shelf> shelves = new HashMap<>();
    private final Map<String, Running> running = new HashMap<>();
    private int count;
    private long bytes;

    /// An item of a response's input or output.
    ///
    /// @param json as the API shows it
    /// @param turn what it adds to a conversation
    record Item(String id, String json, ChatMessage turn) {
        long bytes() {
            return ITEM_BYTES + BYTES_PER_CHARACTER * (id.length() + json.length()) + ResponseStore.bytes(turn);
        }
    }

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
            var items = input.stream().mapToLong(Item::bytes).sum()
                    + output.stream().mapToLong(Item::bytes).sum();
            return ITEM_BYTES + BYTES_PER_CHARACTER * json.length() + items + ResponseStore.bytes(turns);
        }
    }

    /// A response that is being generated. Its flags belong to the store.
    static final class Running {
        private final String salt;
        private final Runnable cancel;
        private final Shown shown;
        private final long shownBytes;
        private boolean cancelled;
        private boolean deleted;

        /// @param salt tells API keys apart
        /// @param cancel ends it
        /// @param shownBytes about how long it is when it is shown, in memory
        Running(String salt, Runnable cancel, Shown shown, long shownBytes) {
            this.salt = salt;
            this.cancel = cancel;
            this.shown = shown;
            this.shownBytes = shownBytes;
        }
    }

    /// Writes a response that has not ended.
    interface Shown {
        String json(String status);
    }

    /// The responses of one API key, the oldest first.
    private static final class Shelf {
        private final Map<String, Entry> entries = new LinkedHashMap<>();
        /// Those that one WebSocket each keeps for itself.
        private final Map<String, Entry> local = new LinkedHashMap<>();
        /// By the id of the item and that of the response, the oldest response first. Clients choose ids of items, so
        /// several responses may have the same. Of several in one response there is the last.
        private final Map<String, SequencedMap<String, Item>> items = new HashMap<>();
        private long bytes;

        private Entry oldest() {
            return (entries.isEmpty() ? local : entries).values().iterator().next();
        }

        private boolean isEmpty() {
            return entries.isEmpty() && local.isEmpty();
        }
    }

    /// @param owner the WebSocket that alone sees it; null if all clients of its API key do
    private record Entry(
            Stored stored,
            long bytes,
            long untilMillis,
            @Nullable Object owner) {}

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

    private static long bytes(ChatMessage turn) {
        return OBJECT_BYTES
                + turn.texts()
                        .mapToLong(text -> BYTES_PER_CHARACTER * text.length())
                        .sum();
    }

    /// About how many bytes of memory turns take.
    static long bytes(Collection<ChatMessage> turns) {
        return turns.stream().mapToLong(ResponseStore::bytes).sum();
    }

    /// Whether responses are kept at all.
    boolean isOn() {
        return most > 0;
    }

    // --- responses that are being generated

    synchronized void begin(String id, Running response) {
        running.put(id, response);
    }

    /// A response has ended. From this moment on there is only what is kept of it.
    ///
    /// @param stored null if nothing is to be kept
    /// @return false if a client has cancelled it; nothing is kept of it then
    synchronized boolean finish(Client client, String id, @Nullable Stored stored) {
        var ended = running.remove(id);
        if (ended != null && ended.cancelled) {
            return false;
        }
        if (stored != null && (ended == null || !ended.deleted)) {
            put(client, stored);
        }
        return true;
    }

    /// A response of the client's API key that is being generated, as it is now; null if there is none.
    ///
    /// @param memory takes what it needs to be shown
    @Nullable
    String running(Client client, String id, LongConsumer memory) {
        Running found;
        boolean isCancelled;
        synchronized (this) {
            found = ofKey(client, id);
            isCancelled = found != null && found.cancelled;
        }
        return found == null ? null : shown(found, isCancelled ? "cancelled" : "in_progress", memory);
    }

    private static String shown(Running response, String status, LongConsumer memory) {
        memory.accept(response.shownBytes);
        return response.shown.json(status);
    }

    /// Ends a response of the client's API key that is being generated.
    ///
    /// @param memory takes what it needs to be shown
    /// @return the response; null if there is none
    @Nullable
    String cancel(Client client, String id, LongConsumer memory) {
        Running found;
        synchronized (this) {
            found = ofKey(client, id);
            if (found == null) {
                return null;
            }
            found.cancelled = true;
        }
        found.cancel.run();
        return shown(found, "cancelled", memory);
    }

    private @Nullable Running ofKey(Client client, String id) {
        var response = running.get(id);
        return response != null && !response.deleted && response.salt.equals(client.cacheSalt()) ? response : null;
    }

    // --- responses that have ended

    /// Keeps a response, unless there is no room for it.
    synchronized void put(Client client, Stored stored) {
        var own = client.cacheSalt();
        var size = stored.bytes();
        expire();
        if (isOn() && hasRoom(own, size, true)) {
            var shelf = shelves.computeIfAbsent(own, _ -> new Shelf());
            shelf.entries.put(stored.id, new Entry(stored, size, clock.millis() + kept.toMillis(), null));
            for (var items : List.of(stored.input, stored.output)) {
                items.forEach(item -> shelf.items
                        .computeIfAbsent(item.id, _ -> new LinkedHashMap<>(1))
                        .put(stored.id, item));
            }
            count++;
            added(shelf, size);
        }
    }

    /// Keeps a response for one WebSocket until that lets it go, unless there is no room for it.
    ///
    /// @param owner the WebSocket
    synchronized void putLocal(Client client, Object owner, Stored stored) {
        var own = client.cacheSalt();
        var size = stored.bytes();
        expire();
        if (hasRoom(own, size, false)) {
            var shelf = shelves.computeIfAbsent(own, _ -> new Shelf());
            shelf.local.put(stored.id, new Entry(stored, size, Long.MAX_VALUE, owner));
            added(shelf, size);
        }
    }

    private void added(Shelf shelf, long size) {
        shelf.bytes += size;
        bytes += size;
    }

    /// A response that all clients of the API key see; null if there is none.
    synchronized @Nullable Stored find(Client client, String id) {
        expire();
        var shelf = shelves.get(client.cacheSalt());
        var entry = shelf == null ? null : shelf.entries.get(id);
        return entry == null ? null : entry.stored;
    }

    /// As [#find], of those that one WebSocket sees.
    synchronized @Nullable Stored find(Client client, Object owner, String id) {
        var shelf = shelves.get(client.cacheSalt());
        var local = shelf == null ? null : shelf.local.get(id);
        return local != null && owner.equals(local.owner) ? local.stored : find(client, id);
    }

    /// The newest item with this id of all responses of the client's API key; null if there is none.
    synchronized @Nullable Item item(Client client, String id) {
        expire();
        var shelf = shelves.get(client.cacheSalt());
        var items = shelf == null ? null : shelf.items.get(id);
        return items == null ? null : items.sequencedValues().getLast();
    }

    /// Nothing is kept of a response that is being generated.
    ///
    /// @return false if the client's API key has no such response
    synchronized boolean delete(Client client, String id) {
        expire();
        var generated = ofKey(client, id);
        if (generated != null) {
            generated.deleted = true;
            return true;
        }
        var shelf = shelves.get(client.cacheSalt());
        var entry = shelf == null ? null : shelf.entries.get(id);
        if (entry == null) {
            return false;
        }
        remove(client.cacheSalt(), entry);
        return true;
    }

    /// A WebSocket lets a response go.
    synchronized void releaseLocal(Client client, String id) {
        var shelf = shelves.get(client.cacheSalt());
        var entry = shelf == null ? null : shelf.local.get(id);
        if (entry != null) {
            remove(client.cacheSalt(), entry);
        }
    }

    // --- room

    /// Makes room.
    ///
    /// @param own the API key that needs it
    /// @param counts whether it is for one of the responses that are counted
    private boolean hasRoom(String own, long size, boolean counts) {
        while (counts && count >= most) {
            var largest = largest(own, 1, shelf -> shelf.entries.size());
            var shelf = shelves.get(largest);
            if (shelf == null || shelf.entries.isEmpty()) {
                return false;
            }
            var _ = evict(largest);
        }
        while (size > mostBytes - bytes) {
            if (size > mostBytes || !evict(largest(own, size, shelf -> shelf.bytes))) {
                return false;
            }
        }
        // What requests need goes first, but one key's requests take nothing from another key.
        while (!memory.take(size)) {
            if (!evict(own)) {
                return false;
            }
        }
        return true;
    }

    /// The API key that would take most.
    ///
    /// @param more what is added to `own`, which is the one if there are several
    private String largest(String own, long more, ToLongFunction<Shelf> measure) {
        var largest = own;
        var shelfOfOwn = shelves.get(own);
        var size = more + (shelfOfOwn == null ? 0 : measure.applyAsLong(shelfOfOwn));
        for (var entry : shelves.entrySet()) {
            var other = measure.applyAsLong(entry.getValue());
            if (other > size) {
                largest = entry.getKey();
                size = other;
            }
        }
        return largest;
    }

    /// @return false if the API key has nothing
    private boolean evict(String salt) {
        var shelf = shelves.get(salt);
        if (shelf == null) {
            return false;
        }
        remove(salt, shelf.oldest());
        return true;
    }

    /// All responses are kept for the same time, so the oldest expire first.
    private void expire() {
        var now = clock.millis();
        for (var entry : List.copyOf(shelves.entrySet())) {
            var shelf = entry.getValue();
            while (!shelf.entries.isEmpty() && shelf.oldest().untilMillis <= now) {
                remove(entry.getKey(), shelf.oldest());
            }
        }
    }

    private void remove(String salt, Entry gone) {
        var shelf = shelves.get(salt);
        if (shelf == null) {
            throw new IllegalStateException("a response is on no shelf");
        }
        if (gone.owner == null) {
            shelf.entries.remove(gone.stored.id);
            count--;
            for (var items : List.of(gone.stored.input, gone.stored.output)) {
                items.forEach(item -> forget(item.id, gone.stored.id, shelf));
            }
        } else {
            shelf.local.remove(gone.stored.id);
        }
        added(shelf, -gone.bytes);
        memory.add(-gone.bytes);
        if (shelf.isEmpty()) {
            shelves.remove(salt);
        }
    }

    private static void forget(String itemId, String responseId, Shelf shelf) {
        shelf.items.computeIfPresent(itemId, (_, same) -> {
            same.remove(responseId);
            return same.isEmpty() ? null : same;
        });
    }
}
