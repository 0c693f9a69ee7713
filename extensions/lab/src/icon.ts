import { LabIcon } from '@jupyterlab/ui-components';

/** A ladder with a stop under it. */
export const deskIcon = new LabIcon({
  name: 'contractdesk-lab:desk',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="#616161">
    <rect x="3" y="3" width="8" height="3"/><rect x="3" y="8" width="11" height="3"/>
    <rect x="10" y="13" width="11" height="3"/>
    <rect x="3" y="19" width="18" height="2"/>
  </g></svg>`
});
