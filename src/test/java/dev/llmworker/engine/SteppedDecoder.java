package dev.llmworker.engine;

import dev.llmworker.model.DecoderDescription;
import dev.llmworker.model.decoder.DecodeBatch;
import dev.llmworker.model.decoder.Decoder;
import dev.llmworker.model.decoder.PromptPart;
import dev.llmworker.sampling.SamplingParameters;
import java.util.List;
import java.util.concurrent.Semaphore;

/// Decodes a step for each permit; so a test decides when the engine goes on.
class SteppedDecoder implements Decoder {
    private static final int CONTEXT = 64;

    final FakeDecoder fake = new FakeDecoder(1, CONTEXT);
    final Semaphore steps = new Semaphore(0);
    final Semaphore asked = new Semaphore(0);

    @Override
    public DecoderDescription description() {
        return fake.description();
    }

    @Override
    public void prefill(int slot, int[] ids, int start) {
        fake.prefill(slot, ids, start);
    }

    @Override
    public int prefillLast(int slot, int[] ids, int start, SamplingParameters sampling) {
        return fake.prefillLast(slot, ids, start, sampling);
    }

    @Override
    public int[] decode(DecodeBatch batch, int count) {
        asked.release();
        steps.acquireUninterruptibly();
        return fake.decode(batch, count);
    }

    @Override
    public int[] decodeBeside(DecodeBatch batch, List<PromptPart> parts) {
        asked.release();
        steps.acquireUninterruptibly();
        return fake.decodeBeside(batch, parts);
    }

    @Override
    public void copySlot(int from, int to, int length) {
        fake.copySlot(from, to, length);
    }

    @Override
    public void moveSlot(int from, int to, int length) {
        fake.moveSlot(from, to, length);
    }

    @Override
    public void swapSlots(int a, int b, int length) {
        fake.swapSlots(a, b, length);
    }

    @Override
    public boolean deterministic() {
        return fake.deterministic();
    }

    @Override
    public void close() {}
}
