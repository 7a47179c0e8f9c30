// One act of a client that is built on dcmjs-dimse; prints what it was answered as JSON.
// node dcmjs_dimse.cjs ACT '{"host": …, "port": …, "called": …, …}'
'use strict';
const { createHash } = require('crypto');
const { Client, Dataset, requests, responses, constants, log } = require('dcmjs-dimse');
log.setLevel('silent');

const { CEchoRequest, CFindRequest, CGetRequest, CStoreRequest } = requests;
const { CStoreResponse } = responses;
const { SopClass, Status } = constants;
const [act, told] = process.argv.slice(2);
const what = JSON.parse(told);

// Keys of our own: the library's lists have optional ones that are not supported, and it takes FF01H, which says so, for
// the end of the answers.
function find(sopClass, keys) {
  const request = new CFindRequest();
  request.setAffectedSopClassUid(sopClass);
  request.setDataset(new Dataset({ AccessionNumber: what.accession, StudyInstanceUID: '', ...keys }));
  return request;
}

const STEP = { ScheduledStationAETitle: '', Modality: '', ScheduledProcedureStepID: '' };
const ACTS = {
  echo: () => [new CEchoRequest()],
  store: () => what.files.map((file) => new CStoreRequest(file)),
  worklist: () => [find(SopClass.ModalityWorklistInformationModelFind, { ScheduledProcedureStepSequence: [STEP] })],
  find: () => [find(SopClass.StudyRootQueryRetrieveInformationModelFind, { QueryRetrieveLevel: 'STUDY' })],
  get: () => [CGetRequest.createStudyGetRequest(what.study)],
};

const answers = { statuses: [], found: [], received: {} };
const client = new Client();
for (const request of ACTS[act]()) {
  request.on('response', (response) => {
    if (response.getStatus() !== Status.Pending) answers.statuses.push(response.getStatus());
    else if (response.hasDataset()) answers.found.push(response.getDataset().getElements());
  });
  client.addRequest(request);
}
client.on('cStoreRequest', (request, answer) => {
  const image = request.getDataset();
  const pixels = Buffer.from(image.getElement('PixelData')[0]);
  answers.received[image.getElement('SOPInstanceUID')] = createHash('sha256').update(pixels).digest('hex');
  const response = CStoreResponse.fromRequest(request);
  response.setStatus(Status.Success);
  answer(response);
});
client.on('networkError', (error) => {
  console.error(error.message);
  process.exit(1);
});
client.on('associationRejected', () => {
  console.error('rejected');
  process.exit(1);
});
client.on('closed', () => console.log(JSON.stringify(answers)));
client.send(what.host, what.port, 'CT1', what.called);
