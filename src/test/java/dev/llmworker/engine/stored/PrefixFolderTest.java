package dev.llmworker.engine.stored;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.decoder.SlotCopies;
import dev.llmworker.model.device.HostMemory;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Files of prefixes, whole and damaged.
@Concurrent
class PrefixFolderTest {
    private static final int PIECE = 64;
    private static final int CONTEXT = 1000;
    private static final int VOCABULARY = 500;
    private static final String SHA_OF_KEY = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

    @TempDir
    private Path temporary;

    private final Random random = new Random(71);
    private final List<HeldBytes> held = new ArrayList<>();
    private Path path = Path.of("");

    @SuppressWarnings("NullAway.Init")
    private PrefixFolder folder;

    /// Only the sizes matter here.
    private record Sizes(long stateBytes) implements SlotCopies {
        @Override
        public String format() {
            return "sizes";
        }

        @Override
        public long mostBytes() {
            return 1 << 30;
        }

        @Override
        public long positionBytes(int count) {
            return 96L * Math.ceilDiv(count, STEP) * STEP;
        }

        @Override
        public List<State> states(int slot) {
            return List.of();
        }

        @Override
        public int reusable(State state, int length) {
            return 0;
        }

        @Override
        public void readPositions(int slot, int start, int end, MemorySegment to) {}

        @Override
        public void readState(int slot, int number, MemorySegment to) {}

        @Override
        public void writePositions(int slot, int start, int end, MemorySegment from) {}

        @Override
        public void writeState(int slot, State state, int length, MemorySegment from) {}
    }

    @BeforeEach
    void prepare() throws IOException {
        path = temporary.resolve("prefixes");
        PrefixFolder.prepare(path);
        folder = open("model");
    }

    @AfterEach
    void free() {
        held.forEach(HeldBytes::close);
    }

    private PrefixFolder open(String model) throws IOException {
        return PrefixFolder.open(path, model.getBytes(), "KEY");
    }

    private static PrefixLayout layout(PrefixFolder folder, long stateBytes) {
        return new PrefixLayout(folder.identity("layout"), PIECE, VOCABULARY, CONTEXT, new Sizes(stateBytes));
    }

    private PrefixLayout layout() {
        return layout(folder, 300);
    }

    private HeldBytes memory(long bytes) {
        var memory = Objects.requireNonNull(HostMemory.allocate(bytes));
        for (long i = 0; i < bytes; i++) {
            memory.segment().set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
        }
        held.add(new HeldBytes.InMemory(memory));
        return held.getLast();
    }

    private PrefixFolder.Prefix prefix(int length) {
        var layout = layout();
        var pieces = new ArrayList<HeldBytes>();
        for (var i = 0; i * PIECE < length; i++) {
            pieces.add(memory(layout.pieceBytes(i, length)));
        }
        var state = new HeldState(new SlotCopies.State(length - 1, length), memory(300));
        var ids = random.ints(length, 0, VOCABULARY).toArray();
        return new PrefixFolder.Prefix(folder.owner(SHA_OF_KEY), ids, length / 2, pieces, List.of(state));
    }

    private StoredPrefix write(PrefixFolder.Prefix prefix) throws IOException {
        return Objects.requireNonNull(folder.write(prefix, layout(), () -> false));
    }

    private static byte[] bytes(HeldBytes held) throws IOException {
        var found = new byte[1][];
        held.use(segment -> found[0] = segment.toArray(ValueLayout.JAVA_BYTE));
        return found[0];
    }

    private long files() throws IOException {
        try (var files = Files.list(path)) {
            return files.filter(file -> !file.endsWith("salt")).count();
        }
    }

    @Test
    void whatIsWrittenIsReadBack() throws Exception {
        var prefix = prefix(150);
        write(prefix);
        var found = open("model").read(layout());
        assertEquals(1, found.size());
        var back = found.getFirst();
        assertEquals(prefix.owner(), back.owner());
        assertArrayEquals(prefix.ids(), back.ids());
        assertEquals(75, back.exact());
        assertEquals(3, back.pieces().size());
        for (var i = 0; i < 3; i++) {
            assertArrayEquals(bytes(prefix.pieces().get(i)), bytes(back.pieces().get(i)));
        }
        assertEquals(
                prefix.states().getFirst().state(), back.states().getFirst().state());
        assertArrayEquals(
                bytes(prefix.states().getFirst().bytes()),
                bytes(back.states().getFirst().bytes()));
    }

    @Test
    void nobodyElseCanReadFiles() throws Exception {
        var file = write(prefix(100)).path();
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(path)));
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(path.resolve("salt"))));
    }

    @Test
    void aFolderThatEveryUserCanWriteToIsRefused() throws Exception {
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rwxrwxrwx"));
        var refused = assertThrows(IllegalArgumentException.class, () -> PrefixFolder.prepare(path));
        assertTrue(String.valueOf(refused.getMessage()).contains("every user can write"), refused.getMessage());
        var file = Files.createFile(temporary.resolve("file"));
        assertThrows(IllegalArgumentException.class, () -> PrefixFolder.prepare(file));
    }

    @Test
    void aFolderThatCannotBeUsedIsRefusedByName() throws Exception {
        var below = Files.createFile(temporary.resolve("plain")).resolve("folder");
        assertRefused(below);
        var withoutSalt = Files.createDirectories(temporary.resolve("strange"));
        Files.createDirectory(withoutSalt.resolve("salt"));
        assertRefused(withoutSalt);
    }

    private static void assertRefused(Path folder) {
        var refused = assertThrows(IllegalArgumentException.class, () -> PrefixFolder.prepare(folder));
        assertTrue(
                String.valueOf(refused.getMessage()).startsWith("PREFIX_CACHE_DIR is " + folder), refused.toString());
    }

    @Test
    void aFileDoesNotTellWhosePrefixItIs() throws Exception {
        var owner = folder.owner(SHA_OF_KEY);
        assertEquals(owner, open("another model").owner(SHA_OF_KEY));
        assertNotEquals(owner, folder.owner(""));
        assertNotEquals(
                owner, PrefixFolder.open(path, "model".getBytes(), "ALL").owner(SHA_OF_KEY));
        var hex = HexFormat.of().formatHex(Files.readAllBytes(write(prefix(100)).path()));
        assertFalse(hex.contains(SHA_OF_KEY));
        assertTrue(hex.contains(owner));
        var other = temporary.resolve("other");
        PrefixFolder.prepare(other);
        assertNotEquals(
                owner, PrefixFolder.open(other, "model".getBytes(), "KEY").owner(SHA_OF_KEY));
    }

    /// Files that were signed with the salt before are left: nothing shows whose they are.
    @Test
    void aSaltThatOtherUsersCouldReadIsReplaced() throws Exception {
        var before = write(prefix(100));
        var salt = path.resolve("salt");
        Files.setPosixFilePermissions(salt, PosixFilePermissions.fromString("rw-r--r--"));
        var owner = folder.owner("a");
        folder = open("model");
        assertNotEquals(owner, folder.owner("a"));
        assertTrue(folder.read(layout()).isEmpty());
        assertTrue(Files.exists(before.path()));
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(salt)));
    }

    /// As Kubernetes does with `fsGroup`, each time that it mounts a volume.
    @Test
    void aSaltThatItsGroupCanReadIsKept() throws Exception {
        var before = write(prefix(100));
        var salt = path.resolve("salt");
        Files.setPosixFilePermissions(salt, PosixFilePermissions.fromString("rw-rw----"));
        Files.setPosixFilePermissions(before.path(), PosixFilePermissions.fromString("rw-rw----"));
        folder = open("model");
        assertEquals(
                List.of(before.path()),
                folder.read(layout()).stream().map(StoredPrefix::path).toList());
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(salt)));
    }

    @Test
    void damagedFilesAreDeletedAndOthersAreLeft() throws Exception {
        var whole = write(prefix(150));
        var content = Files.readAllBytes(whole.path());
        var foreign = Files.writeString(path.resolve("notes.txt"), "mine");
        var header = PrefixHeader.bytes(150, 3, 1);
        var damaged = List.of(
                Arrays.copyOf(content, header),
                Arrays.copyOf(content, content.length - 1),
                Arrays.copyOf(content, content.length + 1));
        var unsigned = List.of(
                new byte[0],
                new byte[10],
                Arrays.copyOf(content, 20),
                flipped(content, 3),
                flipped(content, 9),
                flipped(content, 50),
                flipped(content, header - 1),
                "not a prefix at all, but long enough to look at".getBytes());
        for (var bytes : damaged) {
            assertFalse(Files.exists(afterReading(bytes, whole)), bytes.length + " bytes");
        }
        for (var bytes : unsigned) {
            var file = afterReading(bytes, whole);
            assertTrue(Files.exists(file), bytes.length + " bytes");
            Files.delete(file);
        }
        assertTrue(Files.exists(foreign));
    }

    /// A file of these bytes, which was not used.
    private Path afterReading(byte[] bytes, StoredPrefix whole) throws IOException {
        var file = write(prefix(70)).path();
        Files.write(file, bytes);
        assertEquals(
                List.of(whole.path()),
                folder.read(layout()).stream().map(StoredPrefix::path).toList());
        return file;
    }

    private static byte[] flipped(byte[] content, int at) {
        var changed = content.clone();
        changed[at] ^= 0x10;
        return changed;
    }

    @Test
    void aDamagedPieceIsFoundWhenItIsRead() throws Exception {
        var file = write(prefix(150));
        Files.write(file.path(), flipped(Files.readAllBytes(file.path()), (int) file.bytes() - 1));
        var back = folder.read(layout()).getFirst();
        bytes(back.pieces().getFirst());
        assertThrows(
                PrefixFileException.class, () -> bytes(back.states().getFirst().bytes()));
        Files.write(file.path(), new byte[5]);
        assertThrows(PrefixFileException.class, () -> bytes(back.pieces().getFirst()));
        Files.delete(file.path());
        assertThrows(IOException.class, () -> bytes(back.pieces().getFirst()));
    }

    @Test
    void anotherModelsFilesStayUntilTheirRoomIsNeeded() throws Exception {
        var first = write(prefix(100));
        var other = open("another model");
        var theirs = layout(other, 300);
        assertTrue(other.read(theirs).isEmpty());
        var next = prefix(100);
        assertNotNull(other.room(3 * first.bytes()).write(next, null, List.of(), theirs, () -> false));
        assertTrue(Files.exists(first.path()));
        assertNull(folder.room(2 * first.bytes()).write(next, null, folder.read(layout()), layout(), () -> true));
        assertNull(folder.room(first.bytes() - 1).write(next, null, List.of(), layout(), () -> false));
        assertTrue(Files.exists(first.path()));
        assertNotNull(other.room(2 * first.bytes()).write(next, null, other.read(theirs), theirs, () -> false));
        assertFalse(Files.exists(first.path()));
    }

    /// The old files are deleted only once the new one is complete.
    @Test
    void aFileThatIsNotWrittenTakesNoOthersRoom() throws Exception {
        var old = write(prefix(150));
        var room = folder.room(old.bytes());
        var asked = new int[1];
        assertNull(room.write(prefix(150), null, List.of(), layout(), () -> ++asked[0] > 2));
        assertNull(room.write(prefix(150), old, List.of(), layout(), () -> true));
        assertTrue(Files.exists(old.path()));
        assertNull(room.write(prefix(150), null, List.of(old), layout(), () -> false), "it is used");
        var replaced = room.write(prefix(150), old, List.of(), layout(), () -> false);
        assertTrue(Files.exists(Objects.requireNonNull(replaced).path()));
        assertFalse(Files.exists(old.path()));
        assertNotNull(room.write(prefix(150), null, List.of(), layout(), () -> false));
        assertEquals(1, files());
    }

    /// As if a file of another model had been renamed.
    @Test
    void theNameOfAFileIsNotTrusted() throws Exception {
        var theirs = write(prefix(100)).path();
        var other = open("another model");
        var mark = HexFormat.of().formatHex(layout(other, 300).identity(), 0, 8);
        Files.move(theirs, path.resolve("prefix-" + mark + "-0123456789abcdef.kv"));
        assertTrue(other.read(layout(other, 300)).isEmpty());
        assertEquals(1, files());
    }

    @Test
    void whatCannotBeWrittenLeavesNothing() throws Exception {
        var source = write(prefix(150));
        var again =
                new PrefixFolder.Prefix(source.owner(), source.ids(), source.exact(), source.pieces(), source.states());
        Files.delete(source.path());
        var vanished = assertThrows(PrefixSourceException.class, () -> folder.write(again, layout(), () -> false));
        assertFalse(vanished.isDamaged());
        assertEquals(0, files());
        assertNull(folder.write(prefix(150), layout(), () -> true));
        var asked = new int[1];
        assertNull(folder.write(prefix(150), layout(), () -> ++asked[0] > 2));
        assertEquals(0, files());
    }

    @Test
    void whatAKilledWorkerLeftIsDeletedLater() throws Exception {
        var name = write(prefix(100)).path() + ".part";
        var partial = Files.writeString(Path.of(name), "half");
        folder.read(layout());
        assertTrue(Files.exists(partial));
        Files.setLastModifiedTime(partial, FileTime.from(Instant.now().minusSeconds(7200)));
        folder.read(layout());
        assertFalse(Files.exists(partial));
    }

    /// Another worker may write to it now.
    @Test
    void halfWrittenFilesTakeRoom() throws Exception {
        var old = write(prefix(150));
        var next = prefix(150);
        var partial = Path.of(old.path().toString().replace(".kv", ".kv.part"));
        Files.write(partial, new byte[(int) old.bytes() / 2]);
        assertNull(
                folder.room(5 * old.bytes() / 4).write(next, null, List.of(), layout(), () -> false),
                "with the old one deleted");
        assertTrue(Files.exists(old.path()));
        assertNotNull(folder.room(2 * old.bytes()).write(next, null, List.of(), layout(), () -> false));
        assertFalse(Files.exists(old.path()), "it made room");
        assertTrue(Files.exists(partial));
        Files.delete(partial);
        assertNotNull(folder.room(2 * old.bytes()).write(prefix(150), null, List.of(), layout(), () -> false));
        assertEquals(2, files());
    }

    @Test
    void oldHalfWrittenFilesTakeNoRoom() throws Exception {
        var old = write(prefix(150));
        var partial = Path.of(old.path().toString().replace(".kv", ".kv.part"));
        Files.write(partial, new byte[(int) old.bytes()]);
        Files.setLastModifiedTime(partial, FileTime.from(Instant.now().minus(2, ChronoUnit.HOURS)));
        assertNotNull(folder.room(5 * old.bytes() / 2).write(prefix(150), null, List.of(), layout(), () -> false));
        assertFalse(Files.exists(partial));
        assertTrue(Files.exists(old.path()));
    }

    @Test
    void twoWorkersUseOneFolder() throws Exception {
        var prefixes = List.of(prefix(100), prefix(101), prefix(102), prefix(103));
        var owner = folder.owner("a");
        var layout = layout();
        try (var workers = Executors.newVirtualThreadPerTaskExecutor()) {
            var writing = prefixes.stream()
                    .map(prefix -> workers.submit(() -> {
                        var own = open("model");
                        assertEquals(owner, own.owner("a"));
                        return assertNotNullOf(own.write(prefix, layout, () -> false));
                    }))
                    .toList();
            for (var written : writing) {
                written.get();
            }
        }
        assertEquals(4, folder.read(layout()).size());
        // One deletes what the other one has found.
        var found = folder.read(layout());
        open("model").delete(found.getFirst());
        assertEquals(3, folder.read(layout()).size());
        assertThrows(IOException.class, () -> bytes(found.getFirst().pieces().getFirst()));
    }

    private static StoredPrefix assertNotNullOf(@Nullable StoredPrefix written) {
        assertNotNull(written);
        return written;
    }

    @Test
    void workersThatStartTogetherMakeOneSalt() throws Exception {
        for (int round = 0; round < 20; round++) {
            path = temporary.resolve("round" + round);
            PrefixFolder.prepare(path);
            try (var workers = Executors.newFixedThreadPool(4)) {
                Callable<String> opens = () -> open("model").owner("a");
                var opening = workers.invokeAll(Collections.nCopies(4, opens));
                var owners = new HashSet<String>();
                for (var opened : opening) {
                    owners.add(opened.get());
                }
                assertEquals(1, owners.size());
            }
        }
    }

    /// Other workers write and delete meanwhile. What stays is found each time.
    @Test
    void filesThatVanishHideNoOthers() throws Exception {
        var stays = write(prefix(100));
        var comes = prefix(101);
        var layout = layout();
        try (var other = Executors.newSingleThreadExecutor()) {
            var own = open("model");
            var churn = other.submit(() -> {
                for (int i = 0; i < 200; i++) {
                    own.delete(assertNotNullOf(own.write(comes, layout, () -> false)));
                }
                return true;
            });
            do {
                assertTrue(folder.read(layout).stream()
                        .anyMatch(found -> found.path().equals(stays.path())));
            } while (!churn.isDone());
            churn.get();
        }
    }

    @Test
    void theOneThatWasUsedLastComesFirst() throws Exception {
        var old = write(prefix(100));
        var recent = write(prefix(100));
        folder.used(old, Instant.now().minusSeconds(10));
        folder.used(recent, Instant.now());
        assertEquals(
                List.of(recent.path(), old.path()),
                folder.read(layout()).stream().map(StoredPrefix::path).toList());
    }

    /// A header may say anything, also one whose keyed hash is right.
    @Seeded
    @Test
    void noFileIsReadOutsideOfItsBounds() throws Exception {
        var seed = Seeds.seed();
        var damage = new Random(seed);
        var file = write(prefix(150)).path();
        var content = Files.readAllBytes(file);
        var salt = Files.readAllBytes(path.resolve("salt"));
        var header = PrefixHeader.bytes(150, 3, 1);
        int read = 0;
        for (var round = 0; round < Seeds.rounds(2000); round++) {
            var bytes = damaged(content, header, damage);
            if (damage.nextInt(4) > 0) {
                sign(bytes, salt);
            }
            Files.write(file, bytes);
            try {
                var found = StoredPrefix.open(file, layout(), mac(salt));
                read++;
                for (var piece : found.pieces()) {
                    bytes(piece);
                }
                for (var state : found.states()) {
                    bytes(state.bytes());
                }
            } catch (PrefixFileException | ForeignFileException _) {
                // As it should be.
            } catch (RuntimeException | IOException e) {
                throw new AssertionError("round " + round + " of seed " + seed, e);
            }
        }
        assertTrue(read > 50, read + " files were read");
    }

    private static byte[] damaged(byte[] content, int header, Random damage) {
        var bytes = content.clone();
        for (var i = damage.nextInt(3); i >= 0; i--) {
            var at = damage.nextInt(damage.nextBoolean() ? header : bytes.length) & ~3;
            var value = switch (damage.nextInt(5)) {
                case 0 -> 0;
                case 1 -> -1;
                case 2 -> Integer.MAX_VALUE;
                case 3 -> damage.nextInt(200);
                default -> damage.nextInt();
            };
            for (var b = 0; b < 4 && at + b < bytes.length; b++) {
                bytes[at + b] = (byte) (value >> 8 * b);
            }
        }
        return damage.nextInt(5) == 0 ? Arrays.copyOf(bytes, damage.nextInt(bytes.length + 50)) : bytes;
    }

    private static Mac mac(byte[] salt) throws Exception {
        var mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(salt, "HmacSHA256"));
        return mac;
    }

    /// Writes the right keyed hash where the header says that it ends.
    private static void sign(byte[] bytes, byte[] salt) throws Exception {
        if (bytes.length < 16) {
            return;
        }
        var end = (bytes[12] & 255 | (bytes[13] & 255) << 8 | (bytes[14] & 255) << 16 | bytes[15] << 24)
                - PrefixHeader.TAG_BYTES;
        if (end < 0 || end > bytes.length - PrefixHeader.TAG_BYTES) {
            return;
        }
        var mac = mac(salt);
        mac.update(bytes, 0, end);
        System.arraycopy(mac.doFinal(), 0, bytes, end, PrefixHeader.TAG_BYTES);
    }
}
