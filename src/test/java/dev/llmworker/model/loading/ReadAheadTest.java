package dev.llmworker.model.loading;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Await;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ReadAheadTest {
    private static final long MEGABYTE = 1 << 20;

    private final Set<String> read = ConcurrentHashMap.newKeySet();

    /// Of a megabyte each.
    private static List<Tensor> tensors(int count) {
        var data = Arena.ofAuto().allocate(MEGABYTE);
        return IntStream.range(0, count)
                .mapToObj(i -> new Tensor(
                        Path.of("model.gguf"), "tensor" + i, TensorType.F32, new long[] {MEGABYTE / 4}, data))
                .toList();
    }

    private void read(Tensor tensor) {
        assertTrue(read.add(tensor.name()), tensor.name() + " is read twice");
    }

    /// Nothing has been used, and yet the first ones are read; as many as the window has room for.
    @Test
    void tensorsAreReadBeforeTheyAreUsedAsFarAsTheWindowGoes() throws Exception {
        var tensors = tensors(20);
        try (var ahead = new ReadAhead(tensors, this::read, 5 * MEGABYTE)) {
            for (var used = 0; used < tensors.size(); used++) {
                var most = Math.min(tensors.size(), used + 5);
                Await.until(most + " tensors are read", () -> read.size() >= most);
                assertEquals(most, read.size());
                ahead.check(tensors.get(used));
            }
        }
        assertEquals(20, read.size());
    }

    @Test
    void aTensorLargerThanTheWindowIsReadAloneAndAnotherOrderDoesNoHarm() throws Exception {
        var tensors = tensors(6);
        try (var ahead = new ReadAhead(tensors, this::read, MEGABYTE / 2)) {
            for (var i = 5; i >= 0; i--) {
                ahead.check(tensors.get(i));
            }
        }
        assertEquals(6, read.size());
    }

    @Test
    void copiesAndSlicesOfWhatIsCheckedAreNotReadAgain() throws Exception {
        var tensors = tensors(1);
        var whole = tensors.getFirst();
        try (var ahead = new ReadAhead(tensors, this::read, MEGABYTE)) {
            ahead.check(whole.slice(1, 2, whole.columns() / 2));
            ahead.check(whole);
            ahead.check(whole.slice(0, 2, whole.columns() / 2));
            var other = new Tensor(Path.of("other.gguf"), whole.name(), whole.type(), whole.shape(), whole.data());
            read.clear();
            ahead.check(other);
            assertEquals(Set.of("tensor0"), read, "the same name in another file");
        }
    }

    @Test
    void aTensorThatIsWrongIsToldWhereItIsUsed() throws Exception {
        var tensors = tensors(3);
        ReadAhead.Check check = tensor -> {
            if (tensor.name().equals("tensor1")) {
                throw tensor.problem("has NaN");
            }
        };
        try (var ahead = new ReadAhead(tensors, check, 3 * MEGABYTE)) {
            ahead.check(tensors.getFirst());
            var wrong = assertThrows(ModelFileException.class, () -> ahead.check(tensors.get(1)));
            assertTrue(String.valueOf(wrong.getMessage()).contains("tensor1 has NaN"), wrong::toString);
        }
    }

    /// The file is closed next, and reading it would then end the process.
    @Test
    void closingWaitsForTheReaders() throws Exception {
        var begun = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        var ahead = new ReadAhead(
                tensors(2),
                tensor -> {
                    begun.countDown();
                    awaitUninterruptibly(goOn);
                    read(tensor);
                },
                2 * MEGABYTE);
        begun.await();
        var closing = Thread.ofPlatform().start(ahead::close);
        Await.until("it waits", () -> closing.getState() == Thread.State.TIMED_WAITING);
        assertFalse(read.contains("tensor0"));
        goOn.countDown();
        closing.join();
        assertTrue(read.contains("tensor0") || read.contains("tensor1"), read.toString());
    }

    private static void awaitUninterruptibly(CountDownLatch latch) {
        for (var done = false; !done; ) {
            try {
                latch.await();
                done = true;
            } catch (InterruptedException _) {
                // It reads a file, which an interrupt does not end.
            }
        }
    }
}
