package dev.llmworker.engine.stored;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.zip.CRC32C;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The folder of `PREFIX_CACHE_DIR`: one file for each prefix, and a random salt. Several workers may use one folder:
/// the names of files are random, and a file is complete once it has its name.
///
/// A file does not tell whose prefix it is without the salt: it has a keyed hash of the API key's hash.
///
/// Threading: one thread at a time.
public final class PrefixFolder {
    static final int BUFFER_BYTES = 4 << 20;

    private static final Logger LOG = LoggerFactory.getLogger(PrefixFolder.class);
    private static final String HMAC = "HmacSHA256";
    private static final String SALT = "salt";
    private static final int SALT_BYTES = 32;
    private static final String PARTIAL = ".part";
    /// The first bytes of the layout's identity, and a random number.
    private static final Pattern NAME = Pattern.compile("prefix-([0-9a-f]{16})-[0-9a-f]{16}\\.kv");

    private static final Pattern PARTIAL_NAME = Pattern.compile(NAME.pattern() + "\\.part");
    /// No worker writes so long to one file.
    private static final Duration ABANDONED = Duration.ofHours(1);
    /// There are as many owners as API keys.
    private static final int MOST_OWNERS = 10_000;

    /// Other users of the machine.
    private static final Set<PosixFilePermission> OTHERS = PosixFilePermissions.fromString("------rwx");

    private static final Set<PosixFilePermission> PRIVATE_FILE = PosixFilePermissions.fromString("rw-------");
    private static final Set<PosixFilePermission> PRIVATE_FOLDER = PosixFilePermissions.fromString("rwx------");

    private final Path folder;
    private final byte[] model;
    private final String sharing;
    private final SecretKeySpec salt;
    private final SecureRandom random = new SecureRandom();
    private final Map<String, String> owners = new HashMap<>();

    private PrefixFolder(Path folder, byte[] model, String sharing, byte[] salt) {
        this.folder = folder;
        this.model = model;
        this.sharing = sharing;
        this.salt = new SecretKeySpec(salt, HMAC);
    }

    /// Makes the folder if it is not there, and finds out whether it can be used. Others cannot read a new folder.
    ///
    /// @throws IllegalArgumentException if it cannot be used, or every user can write to it
    public static void prepare(Path folder) {
        try {
            if (!Files.exists(folder)) {
                Files.createDirectories(folder, PosixFilePermissions.asFileAttribute(PRIVATE_FOLDER));
            }
            if (!Files.isDirectory(folder)) {
                throw new IllegalArgumentException("PREFIX_CACHE_DIR is " + folder + ", which is no folder");
            }
            if (Files.getPosixFilePermissions(folder).contains(PosixFilePermission.OTHERS_WRITE)) {
                throw new IllegalArgumentException("PREFIX_CACHE_DIR is " + folder
                        + ", to which every user can write; name another folder, or run chmod o-w " + folder);
            }
            if (!Files.isWritable(folder)) {
                throw new IllegalArgumentException(
                        "PREFIX_CACHE_DIR is " + folder + ", to which the worker cannot write");
            }
            salt(folder.resolve(SALT));
        } catch (IOException e) {
            throw new IllegalArgumentException(
                    "PREFIX_CACHE_DIR is " + folder + ", which cannot be used: " + reason(e), e);
        }
    }

    /// @param folder is prepared
    /// @param model a hash of the model and its tokenizer
    /// @param sharing which requests share prefixes. What was written with another value is not found again
    public static PrefixFolder open(Path folder, byte[] model, String sharing) throws IOException {
        return new PrefixFolder(folder, model, sharing, salt(folder.resolve(SALT)));
    }

    /// The salt; a new one if there is none. The locks are for workers that start together: a lock of a file is held by
    /// the whole process.
    private static byte[] salt(Path file) throws IOException {
        synchronized (SALT) {
            var options = Set.of(
                    StandardOpenOption.CREATE,
                    StandardOpenOption.READ,
                    StandardOpenOption.WRITE,
                    LinkOption.NOFOLLOW_LINKS);
            try (var channel = FileChannel.open(file, options, PosixFilePermissions.asFileAttribute(PRIVATE_FILE));
                    var _ = channel.lock()) {
                var permissions = Files.getPosixFilePermissions(file);
                if (!Collections.disjoint(permissions, OTHERS)) {
                    LOG.warn("other users could read {}, so there is a new salt, and no prefix is found again", file);
                    Files.setPosixFilePermissions(file, PRIVATE_FILE);
                    channel.truncate(0);
                } else if (!PRIVATE_FILE.containsAll(permissions)) {
                    withdrawFromGroup(file);
                }
                return salt(channel);
            }
        }
    }

    /// Kubernetes gives the group of `fsGroup` access to all files of a volume whenever it mounts it.
    private static void withdrawFromGroup(Path file) {
        LOG.warn("the group of {} could read it; whoever reads it can find out whose prefixes are in the folder", file);
        try {
            Files.setPosixFilePermissions(file, PRIVATE_FILE);
        } catch (IOException e) {
            LOG.debug("its group keeps access: {}", reason(e));
        }
    }

    private static byte[] salt(FileChannel channel) throws IOException {
        var bytes = ByteBuffer.allocate(SALT_BYTES);
        if (channel.size() != SALT_BYTES) {
            channel.truncate(0);
            new SecureRandom().nextBytes(bytes.array());
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            channel.force(true);
        } else {
            while (bytes.hasRemaining() && channel.read(bytes) >= 0) {}
        }
        return bytes.array();
    }

    private Mac mac() {
        try {
            var mac = Mac.getInstance(HMAC);
            mac.init(salt);
            return mac;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has " + HMAC, e);
        }
    }

    /// What files say of the sequences with a cache salt, in hexadecimal. Only who has the folder's salt can compute
    /// it.
    public String owner(String cacheSalt) {
        if (owners.size() >= MOST_OWNERS) {
            owners.clear();
        }
        return owners.computeIfAbsent(
                cacheSalt,
                salt -> HexFormat.of()
                        .formatHex(
                                mac().doFinal(("owner\0" + sharing + "\0" + salt).getBytes(StandardCharsets.UTF_8))));
    }

    /// The hash of all that must be the same when a file is read.
    public byte[] identity(String layout) {
        try {
            var digest = MessageDigest.getInstance("SHA-256");
            digest.update(model);
            return digest.digest((PrefixHeader.VERSION + "\0" + layout).getBytes(StandardCharsets.UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    private static String mark(PrefixLayout layout) {
        return HexFormat.of().formatHex(layout.identity(), 0, 8);
    }

    /// The prefixes of this layout, those that were used last first. Damaged files are deleted. Those that have
    /// no signature of this folder are left, like those of another model.
    public List<StoredPrefix> read(PrefixLayout layout) {
        var found = new ArrayList<StoredPrefix>();
        var foreign = 0;
        for (var file : files()) {
            var name = NAME.matcher(file.name());
            if (!name.matches()) {
                continue;
            }
            if (!name.group(1).equals(mark(layout))) {
                foreign++;
                continue;
            }
            try {
                found.add(StoredPrefix.open(file.path, layout, mac()));
            } catch (NoSuchFileException e) {
                LOG.debug("another worker has deleted {}", file.path);
            } catch (ForeignFileException e) {
                LOG.debug("{} is not used: {}", file.path, e.getMessage());
                foreign++;
            } catch (PrefixFileException e) {
                LOG.warn("{} is not used, and deleted: {}", file.path, e.getMessage());
                delete(file.path);
            } catch (IOException e) {
                LOG.warn("{} is not used: {}", file.path, reason(e));
            }
        }
        var tokens = found.stream().mapToLong(prefix -> prefix.ids().length).sum();
        LOG.info(
                "{} has {} cached prefixes of {} tokens{}",
                folder,
                found.size(),
                tokens,
                foreign == 0 ? "" : ", and " + foreign + " of another model, salt, format or version");
        return found;
    }

    private record Entry(Path path, long bytes, Instant used) {
        String name() {
            return String.valueOf(path.getFileName());
        }
    }

    /// All files of prefixes, those that were used last first. Files that a killed worker left half written are
    /// deleted.
    private List<Entry> files() {
        for (var partial : files(PARTIAL_NAME)) {
            if (partial.used.isBefore(Instant.now().minus(ABANDONED))) {
                delete(partial.path);
            }
        }
        var found = files(NAME);
        found.sort(Comparator.comparing(Entry::used).reversed());
        return found;
    }

    private List<Entry> files(Pattern name) {
        var found = new ArrayList<Entry>();
        try (var files = Files.newDirectoryStream(
                folder, path -> name.matcher(String.valueOf(path.getFileName())).matches())) {
            for (var path : files) {
                var entry = entry(path);
                if (entry != null) {
                    found.add(entry);
                }
            }
        } catch (IOException | java.nio.file.DirectoryIteratorException e) {
            LOG.warn("{} cannot be read: {}", folder, e.getMessage());
        }
        return found;
    }

    /// @return null if it is no file, or another worker has deleted or renamed it
    private static @Nullable Entry entry(Path path) {
        try {
            var facts = Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
            return facts.isRegularFile()
                    ? new Entry(path, facts.size(), facts.lastModifiedTime().toInstant())
                    : null;
        } catch (NoSuchFileException _) {
            return null;
        } catch (IOException e) {
            LOG.warn("{} is not used: {}", path, reason(e));
            return null;
        }
    }

    /// A prefix to write.
    public record Prefix(String owner, int[] ids, int exact, List<HeldBytes> pieces, List<HeldState> states) {
        private long bytes() {
            return PrefixHeader.bytes(ids.length, pieces.size(), states.size())
                    + pieces.stream().mapToLong(HeldBytes::bytes).sum()
                    + states.stream().mapToLong(kept -> kept.bytes().bytes()).sum();
        }
    }

    /// Writes a prefix. A file that is not complete has another name, and is deleted.
    ///
    /// @param isTimeUp is asked between parts
    /// @return null if time was up
    /// @throws PrefixSourceException if the prefix, or a part of it, cannot be read
    /// @throws IOException if the folder cannot be written
    public @Nullable StoredPrefix write(Prefix prefix, PrefixLayout layout, BooleanSupplier isTimeUp)
            throws IOException {
        var name = "prefix-" + mark(layout) + "-" + HexFormat.of().toHexDigits(random.nextLong()) + ".kv";
        var partial = folder.resolve(name + PARTIAL);
        var options = EnumSet.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        var isComplete = false;
        try (var channel = FileChannel.open(partial, options, PosixFilePermissions.asFileAttribute(PRIVATE_FILE))) {
            var header = writeBlocks(prefix, channel, isTimeUp);
            if (header == null) {
                return null;
            }
            writeAll(channel, header.encode(layout, mac()), 0);
            var path = folder.resolve(name);
            Files.move(partial, path, StandardCopyOption.ATOMIC_MOVE);
            isComplete = true;
            return new StoredPrefix(path, header, Instant.now());
        } finally {
            if (!isComplete) {
                delete(partial);
            }
        }
    }

    private static @Nullable PrefixHeader writeBlocks(Prefix prefix, FileChannel channel, BooleanSupplier isTimeUp)
            throws IOException {
        long at = PrefixHeader.bytes(prefix.ids.length, prefix.pieces.size(), prefix.states.size());
        var pieces = new ArrayList<PrefixHeader.Block>();
        for (var piece : prefix.pieces) {
            if (isTimeUp.getAsBoolean()) {
                return null;
            }
            pieces.add(writeBlock(piece, channel, at));
            at += piece.bytes();
        }
        var states = new ArrayList<PrefixHeader.StateBlock>();
        for (var kept : prefix.states) {
            if (isTimeUp.getAsBoolean()) {
                return null;
            }
            states.add(new PrefixHeader.StateBlock(kept.state(), writeBlock(kept.bytes(), channel, at)));
            at += kept.bytes().bytes();
        }
        var owner = HexFormat.of().parseHex(prefix.owner);
        return new PrefixHeader(owner, prefix.ids, prefix.exact, pieces, states);
    }

    private static PrefixHeader.Block writeBlock(HeldBytes bytes, FileChannel channel, long at) throws IOException {
        var crc = new CRC32C();
        var failure = new IOException[1];
        read(bytes, segment -> {
            try {
                for (long done = 0; done < segment.byteSize(); ) {
                    var part = segment.asSlice(done, Math.min(BUFFER_BYTES, segment.byteSize() - done))
                            .asByteBuffer();
                    crc.update(part.duplicate());
                    writeAll(channel, part, at + done);
                    done += part.limit();
                }
            } catch (IOException e) {
                failure[0] = e;
            }
        });
        if (failure[0] != null) {
            throw failure[0];
        }
        return new PrefixHeader.Block(at, bytes.bytes(), (int) crc.getValue());
    }

    private static void read(HeldBytes bytes, Consumer<MemorySegment> action) throws IOException {
        try {
            bytes.use(action);
        } catch (ClosedByInterruptException e) {
            throw e;
        } catch (IOException e) {
            throw new PrefixSourceException(e);
        }
    }

    private static void writeAll(FileChannel channel, ByteBuffer bytes, long at) throws IOException {
        for (var position = at; bytes.hasRemaining(); ) {
            position += channel.write(bytes, position);
        }
    }

    /// The folder as it is now, for a worker that writes several prefixes.
    ///
    /// @param mostBytes of all files
    public Room room(long mostBytes) {
        return new Room(mostBytes);
    }

    /// What files take, and may take. The folder is listed once: what other workers do meanwhile does not count.
    public final class Room {
        private final long mostBytes;
        /// Of files that others are writing, or left half written. They are not deleted for room.
        private final long partialBytes;
        /// The one that was used least recently comes first.
        private final List<Entry> files;

        private Room(long mostBytes) {
            this.mostBytes = mostBytes;
            // This deletes old half-written files, which then take no room.
            this.files = new ArrayList<>(files().reversed());
            this.partialBytes =
                    files(PARTIAL_NAME).stream().mapToLong(Entry::bytes).sum();
        }

        /// Writes a prefix, and then deletes the files that were used least recently, until all have room. If the disk
        /// has no room for both, they are deleted before.
        ///
        /// @param replaced the prefix's earlier file, which is deleted
        /// @param kept files that stay
        /// @return null if it does not fit, or time was up
        /// @throws PrefixSourceException if the prefix, or a part of it, cannot be read
        /// @throws IOException if the folder cannot be written
        public @Nullable StoredPrefix write(
                Prefix prefix,
                @Nullable StoredPrefix replaced,
                List<StoredPrefix> kept,
                PrefixLayout layout,
                BooleanSupplier isTimeUp)
                throws IOException {
            var paths = kept.stream().map(StoredPrefix::path).collect(Collectors.toSet());
            var own = files.stream()
                    .filter(file -> replaced != null && file.path.equals(replaced.path()))
                    .toList();
            long more = prefix.bytes() - own.stream().mapToLong(Entry::bytes).sum();
            var others = inTheWay(more, paths, own);
            if (others == null) {
                return null;
            }
            if (!others.isEmpty() && Files.getFileStore(folder).getUsableSpace() < prefix.bytes()) {
                others.forEach(this::remove);
            }
            var written = PrefixFolder.this.write(prefix, layout, isTimeUp);
            if (written != null) {
                own.forEach(this::remove);
                others.forEach(this::remove);
                files.add(new Entry(written.path(), prefix.bytes(), Instant.now()));
            }
            return written;
        }

        /// What to delete for `more` bytes; null if that is not enough.
        private @Nullable List<Entry> inTheWay(long more, Set<Path> kept, List<Entry> own) {
            var found = new ArrayList<Entry>();
            long held = partialBytes + files.stream().mapToLong(Entry::bytes).sum();
            for (var file : files) {
                if (held + more <= mostBytes) {
                    break;
                }
                if (!kept.contains(file.path) && !own.contains(file)) {
                    found.add(file);
                    held -= file.bytes;
                }
            }
            return held + more <= mostBytes ? found : null;
        }

        private void remove(Entry file) {
            delete(file.path);
            files.remove(file);
        }
    }

    /// Records when a prefix was used, for the order at the next start.
    public void used(StoredPrefix prefix, Instant when) {
        try {
            Files.setLastModifiedTime(prefix.path(), FileTime.from(when));
        } catch (IOException e) {
            LOG.debug("{} keeps its time: {}", prefix.path(), e.getMessage());
        }
    }

    /// A file that is no longer there is no error.
    public void delete(StoredPrefix prefix) {
        delete(prefix.path());
    }

    private static void delete(Path path) {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            LOG.warn("{} cannot be deleted: {}", path, reason(e));
        }
    }

    /// Exceptions of file systems often have the file's name alone as their message.
    private static String reason(IOException e) {
        return e.getClass().getSimpleName() + ": " + e.getMessage();
    }

    @Override
    public String toString() {
        return folder.toString();
    }
}
