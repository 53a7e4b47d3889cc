package dev.llmworker.serving.responses;

import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.text.chat.ChatMessage;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.function.LongConsumer;
import java.util.function.ToLongBiFunction;
import java.util.stream.Stream;
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

    /// What becomes of a response that ends.
    enum End {
        STORED,
        /// It was not to be stored, or is too large, or a client has deleted it meanwhile.
        NOT_STORED,
        /// A client has cancelled it. Nothing is kept of it.
        CANCELLED
    }

    /// The newest response of a stream, which a WebSocket keeps for itself.
    ///
    /// @param owner the WebSocket
    /// @param turns the conversation with the response at its end
    /// @param replacedId the response whose place it takes; null for none
    record Local(
            Object owner, List<ChatMessage> turns, @Nullable String replacedId) {}

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

        /// The oldest first. Those that WebSockets keep come last.
        private Iterator<Entry> all() {
            return Stream.concat(entries.values().stream(), local.values().stream())
                    .iterator();
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
    /// @param stored null if it is not to be stored
    /// @param local null if no WebSocket keeps it for itself
    synchronized End finish(Client client, String id, @Nullable Stored stored, @Nullable Local local) {
        var ended = running.remove(id);
        if (ended != null && ended.cancelled) {
            return End.CANCELLED;
        }
        if (local != null && local.replacedId != null) {
            releaseLocal(client, local.replacedId);
        }
        if (ended != null && ended.deleted) {
            return End.NOT_STORED;
        }
        if (local != null) {
            var turns = new Stored(id, "", List.of(), List.of(), local.turns);
            var _ = keep(client.cacheSalt(), new Entry(turns, turns.bytes(), Long.MAX_VALUE, local.owner));
        }
        // Last, because nothing may evict it before the client learns that it is stored.
        var isStored = stored != null && put(client, stored);
        return isStored ? End.STORED : End.NOT_STORED;
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
    ///
    /// @return whether it is kept
    synchronized boolean put(Client client, Stored stored) {
        return put(client.cacheSalt(), stored);
    }

    /// @param own tells API keys apart
    synchronized boolean put(String own, Stored stored) {
        return isOn() && keep(own, new Entry(stored, stored.bytes(), clock.millis() + kept.toMillis(), null));
    }

    private boolean keep(String own, Entry entry) {
        var stored = entry.stored;
        expire();
        if (!makeRoom(own, entry)) {
            return false;
        }
        var shelf = shelves.computeIfAbsent(own, _ -> new Shelf());
        if (entry.owner != null) {
            shelf.local.put(stored.id, entry);
        } else {
            shelf.entries.put(stored.id, entry);
            for (var items : List.of(stored.input, stored.output)) {
                items.forEach(item -> shelf.items
                        .computeIfAbsent(item.id, _ -> new LinkedHashMap<>(1))
                        .put(stored.id, item));
            }
            count++;
        }
        added(shelf, entry.bytes);
        return true;
    }

    private void added(Shelf shelf, long size) {
        shelf.bytes += size;
        bytes += size;
    }

    /// A response that all clients of the API key see; null if there is none.
    synchronized @Nullable Stored find(Client client, String id) {
        expire();
        var entry = entry(client, id);
        return entry == null ? null : entry.stored;
    }

    /// As [#find], of those that one WebSocket sees.
    synchronized @Nullable Stored find(Client client, Object owner, String id) {
        var local = localEntry(client, id);
        return local != null && owner.equals(local.owner) ? local.stored : find(client, id);
    }

    /// The newest item with this id of all responses of the client's API key; null if there is none.
    synchronized @Nullable Item item(Client client, String id) {
        expire();
        var shelf = shelves.get(client.cacheSalt());
        var items = shelf == null ? null : shelf.items.get(id);
        return items == null ? null : items.sequencedValues().getLast();
    }

    /// Nothing is kept of a response that is being generated. A WebSocket lets go one that it keeps, too.
    ///
    /// @return false if the client's API key has no such response
    synchronized boolean delete(Client client, String id) {
        expire();
        var generated = ofKey(client, id);
        if (generated != null) {
            generated.deleted = true;
            return true;
        }
        var found = Stream.of(entry(client, id), localEntry(client, id))
                .filter(Objects::nonNull)
                .toList();
        found.forEach(entry -> remove(client.cacheSalt(), entry));
        return !found.isEmpty();
    }

    private @Nullable Entry entry(Client client, String id) {
        var shelf = shelves.get(client.cacheSalt());
        return shelf == null ? null : shelf.entries.get(id);
    }

    private @Nullable Entry localEntry(Client client, String id) {
        var shelf = shelves.get(client.cacheSalt());
        return shelf == null ? null : shelf.local.get(id);
    }

    /// A WebSocket lets a response go.
    synchronized void releaseLocal(Client client, String id) {
        var entry = localEntry(client, id);
        if (entry != null) {
            remove(client.cacheSalt(), entry);
        }
    }

    // --- room

    /// Makes room for a response, unless that is impossible: then nothing is evicted.
    ///
    /// @param own the API key that needs it
    private boolean makeRoom(String own, Entry entry) {
        var eviction = new Eviction();
        if (entry.bytes > mostBytes
                || !eviction.hasPlace(own, entry)
                || !eviction.hasBytes(own, entry.bytes)
                || !eviction.takesMemory(own, entry.bytes)) {
            return false;
        }
        eviction.chosen.forEach(chosen -> forget(chosen.salt, chosen.entry));
        return true;
    }

    /// Chooses what to evict for a response. Nothing is evicted before all of it is chosen.
    private final class Eviction {
        private final List<Chosen> chosen = new ArrayList<>(0);
        private final Map<String, Iterator<Entry>> left = new HashMap<>();
        private final Map<String, Long> bytesOf = new HashMap<>();
        private long chosenBytes;

        private record Chosen(String salt, Entry entry) {}

        boolean hasPlace(String own, Entry entry) {
            if (entry.owner != null || count < most) {
                return true;
            }
            var largest = largest(own, 1, (_, shelf) -> shelf.entries.size());
            var shelf = shelves.get(largest);
            return shelf != null && !shelf.entries.isEmpty() && add(largest);
        }

        boolean hasBytes(String own, long size) {
            while (size > mostBytes - bytes + chosenBytes) {
                if (!add(largest(own, size, (salt, shelf) -> shelf.bytes - bytesOf.getOrDefault(salt, 0L)))) {
                    return false;
                }
            }
            return true;
        }

        /// What requests need goes first, but one key's requests take nothing from another key.
        boolean takesMemory(String own, long size) {
            while (!memory.take(size - chosenBytes)) {
                if (!add(own)) {
                    return false;
                }
            }
            return true;
        }

        /// Chooses the oldest response of an API key that is left.
        ///
        /// @return false if there is none
        private boolean add(String salt) {
            var shelf = shelves.get(salt);
            if (shelf == null) {
                return false;
            }
            var oldest = left.computeIfAbsent(salt, _ -> shelf.all());
            if (!oldest.hasNext()) {
                return false;
            }
            var entry = oldest.next();
            chosen.add(new Chosen(salt, entry));
            bytesOf.merge(salt, entry.bytes, Long::sum);
            chosenBytes += entry.bytes;
            return true;
        }
    }

    /// The API key that would take most.
    ///
    /// @param more what is added to `own`, which is the one if there are several
    private String largest(String own, long more, ToLongBiFunction<String, Shelf> measure) {
        var largest = own;
        var shelfOfOwn = shelves.get(own);
        var size = more + (shelfOfOwn == null ? 0 : measure.applyAsLong(own, shelfOfOwn));
        for (var entry : shelves.entrySet()) {
            var other = measure.applyAsLong(entry.getKey(), entry.getValue());
            if (other > size) {
                largest = entry.getKey();
                size = other;
            }
        }
        return largest;
    }

    /// Drops responses whose time is over. All are kept for the same time, so the oldest expire first.
    public synchronized void expire() {
        var now = clock.millis();
        for (var entry : List.copyOf(shelves.entrySet())) {
            var shelf = entry.getValue();
            shelf.entries.values().stream()
                    .takeWhile(oldest -> oldest.untilMillis <= now)
                    .toList()
                    .forEach(oldest -> remove(entry.getKey(), oldest));
        }
    }

    private void remove(String salt, Entry gone) {
        forget(salt, gone);
        memory.add(-gone.bytes);
    }

    /// Its memory stays taken.
    private void forget(String salt, Entry gone) {
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
